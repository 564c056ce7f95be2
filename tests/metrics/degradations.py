"""Photographs degraded in five ways to the same PSNR, and once more with white noise on top: how do metrics order them?

    PYTHONPATH=tests python tests/metrics/degradations.py    # the table of docs/metrics.md: 66 crops, minutes

A metric of distributions is fit for a table where it grows with the strength of every degradation, and orders
degradations of one PSNR as LPIPS does, whose judgements are people's (Zhang et al., 2018).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from made_images import measurement
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog

LEVELS = (36.0, 32.0, 28.0, 24.0)  # dB
GRAIN = 0.05


def psnr(z: Tensor, x: Tensor) -> float:
    """Mean over images in dB."""
    error = (z.clamp(-1, 1) - x).square().flatten(1).mean(1)
    return float((10 * (4 / error).log10()).mean())


def blurred(x: Tensor, std: float) -> Tensor:
    """By a Gaussian."""
    taps = torch.arange(-math.ceil(4 * std), math.ceil(4 * std) + 1).float()
    kernel = (-0.5 * (taps / std).square()).exp()
    kernel, r = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1), len(taps) // 2
    for _ in range(2):  # rows, then columns
        x = F.conv2d(F.pad(x, (r, r, 0, 0), mode="reflect"), kernel, groups=x.shape[1]).transpose(2, 3)
    return x


def noisy(x: Tensor, std: float) -> Tensor:
    """By white noise."""
    return x + std * ib.Rng.for_images([str(i) for i in range(len(x))], use="degradation").randn_like(x)


def blocky(x: Tensor, share: float) -> Tensor:
    """Towards the means of 4x4 blocks, as the pseudo-inverse of sr4 shows them."""
    return x.lerp(F.interpolate(F.avg_pool2d(x, 4), scale_factor=4.0), share)


def compressed(x: Tensor, loss: float) -> Tensor:
    """By JPEG of quality 101 - loss."""
    images = []
    for pixels in ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=101 - round(loss))
        images.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 127.5 - 1)
    return torch.stack(images)


def desaturated(x: Tensor, share: float) -> Tensor:
    """Towards grey."""
    return x.lerp(x.mean(1, keepdim=True).expand_as(x), share)


KINDS: dict[str, tuple[Callable[[Tensor, float], Tensor], float, float]] = {
    "blur": (blurred, 0.1, 8.0),
    "noise": (noisy, 0.001, 1.0),
    "blocks": (blocky, 0.01, 2.0),
    "jpeg": (compressed, 1.0, 100.0),
    "saturation": (desaturated, 0.01, 4.0),
}


class Degraded(NamedTuple):
    """Images of a kind and PSNR; ``grain`` says whether white noise was added then."""

    kind: str
    level: float
    grain: bool
    images: Tensor


def degraded(x: Tensor) -> Iterator[Degraded]:
    """Every kind at every level, without and with grain."""
    for kind, (function, low, high) in KINDS.items():
        for level in LEVELS:
            below, above = low, high
            for _ in range(16):
                middle = (below + above) / 2
                below, above = (middle, above) if psnr(function(x, middle), x) > level else (below, middle)
            z = function(x, above).clamp(-1, 1)
            yield Degraded(kind, level, False, z)
            yield Degraded(kind, level, True, noisy(z, GRAIN).clamp(-1, 1))


def photographs(split: str) -> tuple[Tensor, list[str]]:
    """Crops (n, 3, 64, 64) and their groups."""
    dataset = load_catalog().get("dataset", "photos")(split=split)
    return torch.stack([dataset.load(i) for i in dataset.ids()]), [dataset.group(i) for i in dataset.ids()]


def distribution_score(metric: ib.SetMetric, x: Tensor, z: Tensor, groups: list[str]) -> float:
    """Of degraded images, by their features."""
    measured = measurement(x)
    estimate = metric.estimate(metric(x, measured), metric(z, measured), groups)
    assert estimate is not None
    return float(estimate[0])


def agreement(scores: list[float], others: list[float]) -> float:
    """Spearman's rank correlation."""
    return float(spearmanr(scores, others).statistic)


def main() -> None:
    """Print the table."""
    from invbench.metrics.kernel import KidAlex
    from invbench.metrics.perceptual import lpips_network

    x, groups = photographs("test")
    columns: dict[str, list[float]] = {"lpips_alex": [], "lpips_vgg": [], "kid_alex": []}
    print("| degradation | PSNR | lpips_alex | lpips_vgg | kid_alex |\n|---|---|---|---|---|")
    for each in degraded(x):
        with torch.inference_mode():
            for trunk in ("alex", "vgg"):
                of_parts = [
                    lpips_network(trunk, True)(a, b) for a, b in zip(each.images.split(32), x.split(32), strict=True)
                ]
                columns[f"lpips_{trunk}"].append(float(torch.cat(of_parts).mean()))
            columns["kid_alex"].append(distribution_score(KidAlex(), x, each.images, groups))
        name = f"{each.kind}{' and grain' if each.grain else ''}"
        print(
            f"| {name} | {psnr(each.images, x):.1f} | {' | '.join(f'{c[-1]:.3f}' for c in columns.values())} |",
            flush=True,
        )
    for trunk in ("alex", "vgg"):
        print(f"Rank correlation with lpips_{trunk}: {agreement(columns['kid_alex'], columns[f'lpips_{trunk}']):.3f}")
    halves = torch.tensor([sorted(set(groups)).index(g) % 2 == 0 for g in groups])
    a, b = x[halves], x[~halves]
    n = min(len(a), len(b))
    print(f"Truth against other truths ({n} crops each): {other_truths(a[:n], b[:n]):.4f}")


def other_truths(a: Tensor, b: Tensor) -> float:
    """The unbiased distance of two sets of truths, all pairs of both."""
    from invbench.metrics.kernel import KidAlex

    return distribution_score(KidAlex(), a, b, [str(i) for i in range(len(a))])


if __name__ == "__main__":
    main()
