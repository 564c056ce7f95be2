"""Conformance checks of datasets and priors."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from invbench.dataset import Dataset
from invbench.errors import ConfigError, DataError, UnsupportedProblem
from invbench.operator import Shape
from invbench.prior import Prior, PriorSource, TrainablePrior
from invbench.rng import Rng
from invbench.testing.devices import another_device, same_there
from invbench.testing.findings import Check, NotApplicable, expect
from invbench.testing.problems import SMALL, presets
from invbench.testing.trainings import one_step

INSIDE = 0.95  # share of values within [-1, 1]; a draw of a mixture may leave it
SAME_ROW = 1e-4  # batches of different sizes use different kernels
SHAPES: tuple[Shape, ...] = (
    *((channels, side, side) for channels in (3, 1, 2, 4) for side in (16, 32, SMALL)),
    *((channels, 256, 256) for channels in (3, 1)),
)


class DatasetLab:
    """A dataset at its defaults, and a few of its images."""

    def __init__(self, cls: type[Dataset]) -> None:
        self.dataset = cls()

    @cached_property
    def ids(self) -> list[str]:
        """All ids; the user's files may be absent."""
        try:
            return list(self.dataset.ids())
        except (DataError, ConfigError) as error:
            raise NotApplicable(f"no images here: {error}") from error

    @cached_property
    def images(self) -> dict[str, Tensor]:
        """First, middle and last."""
        chosen = {self.ids[0], self.ids[len(self.ids) // 2], self.ids[-1]}
        return {image: self.dataset.load(image) for image in sorted(chosen)}


def ids(lab: DatasetLab) -> str:
    names = lab.ids
    expect(len(names) > 0, "expected at least one id; got none; raise DataError where data are absent")
    expect(all(isinstance(i, str) and i for i in names), "expected ids that are text; got others; name images by text")
    twice = sorted({i for i in names if names.count(i) > 1}) if len(set(names)) < len(names) else []
    expect(not twice, f"expected every id once; got {', '.join(twice[:3])} more often; make ids unique")
    expect(names == list(lab.dataset.ids()), "expected ids in one fixed order; got another the second time; sort them")
    return f"{len(names)} unique ids in a fixed order"


def repeat(lab: DatasetLab) -> str:
    changed = [i for i, image in lab.images.items() if not torch.equal(image, lab.dataset.load(i))]
    expect(not changed, f"expected the same bits twice; {', '.join(changed)} changed; draw by the image's id alone")
    return f"{', '.join(lab.images)} load to the same bits twice"


def shape(lab: DatasetLab) -> str:
    expected = tuple(lab.dataset.x_shape)
    for image, x in lab.images.items():
        expect(tuple(x.shape) == expected, f"expected {image} of x_shape {expected}; got {tuple(x.shape)}; resize it")
    return f"{expected}, as x_shape says"


def dtype(lab: DatasetLab) -> str:
    for image, x in lab.images.items():
        expect(x.dtype == torch.float32, f"expected {image} in float32; got {x.dtype}; end with .float()")
    return "float32"


def value_range(lab: DatasetLab) -> str:
    x = torch.stack([image.flatten() for image in lab.images.values()])
    expect(bool(x.isfinite().all()), "expected finite values; got some that are not; refuse such images by DataError")
    inside, low, high = float((x.abs() <= 1).float().mean()), float(x.min()), float(x.max())
    message = f"expected values in [-1, 1]; got {low:.3g} to {high:.3g}, {inside:.0%} inside"
    expect(inside >= INSIDE, f"{message}; divide bytes by 127.5 and subtract 1")
    return f"values from {low:.3g} to {high:.3g}"


DATASET_CHECKS: dict[str, Check] = {"ids": ids, "repeat": repeat, "shape": shape, "dtype": dtype, "range": value_range}


class PriorLab:
    """A prior at its defaults, loaded for images of ``x_shape``, or of a preset that names it or of other shapes."""

    def __init__(self, cls: type[PriorSource], x_shape: Shape = ()) -> None:
        self.source, self.x_shape = cls(), x_shape

    @cached_property
    def prior(self) -> Prior:
        """The prior; its weights may be absent if the user has to fetch them."""
        known = [shape for benchmark, shape in presets() if benchmark.prior == self.source.name]
        refusal = ""
        tried = [self.x_shape] if self.x_shape else [*sorted(known, key=math.prod), *SHAPES]
        for x_shape in tried:
            try:
                return self.source.load(x_shape, "cpu")
            except DataError as error:
                raise NotApplicable(f"no weights here: {error}") from error
            except ConfigError as error:
                refusal = str(error)
        raise NotApplicable(f"it takes none of the shapes tried: {refusal}; --size 1x28x28 chooses the images' shape")

    @cached_property
    def x_t(self) -> Tensor:
        """Three noisy images."""
        return Rng.for_images(["a", "b", "c"], purpose="conformance").randn(self.prior.x_shape)

    def eps(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The predicted noise, without gradients."""
        with torch.inference_mode():
            return self.prior.eps(x_t, t)

    @property
    def levels(self) -> tuple[int, ...]:
        """A low, a middle and the highest time step."""
        T = len(self.prior.abar)
        return 0, T // 2, T - 1


def abar(lab: PriorLab) -> str:
    a = lab.prior.abar
    expect(a.dtype == torch.float64 and a.ndim == 1, f"expected abar float64 (T,); got {a.dtype} {tuple(a.shape)}")
    inside = bool(((a > 0) & (a < 1)).all())
    expect(
        inside,
        f"expected abar within (0, 1); got {float(a.min()):g} to {float(a.max()):g}; it is the product of 1 - beta",
    )
    expect(bool((a.diff() < 0).all()), "expected abar to fall with t; it does not; index 0 is the cleanest level")
    return f"{len(a)} levels from {float(a[0]):.6f} down to {float(a[-1]):.2e}"


def eps_shape(lab: PriorLab) -> str:
    for t in lab.levels:
        out = lab.eps(lab.x_t, t)
        good = out.shape == lab.x_t.shape and out.dtype == lab.x_t.dtype
        expect(good, f"expected eps as x_t, {tuple(lab.x_t.shape)} float32; got {tuple(out.shape)} {out.dtype}")
    return f"{tuple(lab.x_t.shape)} in and out"


def finite(lab: PriorLab) -> str:
    for t in lab.levels:
        good = bool(lab.eps(lab.x_t, t).isfinite().all())
        expect(good, f"expected finite eps at t = {t}; got some that is not; look for 1 - abar near 0")
    return f"finite at t = {', '.join(map(str, lab.levels))}"


def batch(lab: PriorLab) -> str:
    t = lab.levels[1]
    off = float((lab.eps(lab.x_t[:1], t) - lab.eps(lab.x_t, t)[:1]).abs().max())
    advice = "put the network in eval mode: batch normalisation mixes rows"
    expect(
        off <= SAME_ROW, f"expected a row alone and in a batch to agree to {SAME_ROW:g}; differ by {off:.1e}; {advice}"
    )
    return f"a row alone and in a batch agree to {off:.1e}"


def times(lab: PriorLab) -> str:
    t = torch.tensor(lab.levels)
    together = lab.eps(lab.x_t, t)
    apart = torch.cat([lab.eps(lab.x_t[i : i + 1], int(t[i])) for i in range(len(t))])
    off = float((together - apart).abs().max())
    expect(off <= SAME_ROW, f"expected a tensor of steps to act row by row; differs by {off:.1e} from ints; see Prior")
    return f"steps as a tensor and as ints agree to {off:.1e}"


def fingerprint(lab: PriorLab) -> str:
    _ = lab.prior
    first, second = lab.source.fingerprint(), lab.source.fingerprint()
    good = first == second and re.fullmatch("[0-9a-f]{64}", first) is not None
    expect(good, f"expected one SHA-256 in hexadecimal; got {first!r}, then {second!r}; hash weights or parameters")
    return f"SHA-256 {first[:12]}..., stable"


def device(lab: PriorLab) -> str:
    steps = (lab.levels[1], torch.tensor(lab.levels))
    here = [lab.eps(lab.x_t, t) for t in steps]
    with another_device() as there:
        prior = lab.source.load(lab.prior.x_shape, there)
        x_t = lab.x_t.to(there)
        with torch.inference_mode():
            moved = [prior.eps(x_t, t.to(there) if isinstance(t, Tensor) else t) for t in steps]
        off = max(same_there("eps", a, b, there) for a, b in zip(moved, here, strict=True))
        with suppress(UnsupportedProblem):
            learned = prior.student().eps(x_t, lab.levels[1])
            expect(learned.device == there, "expected student() on the device that load was given; got it on the CPU")
        if not isinstance(lab.source, TrainablePrior):
            return f"the same eps on another device than the CPU, to {off:.1e}"
        with one_step(lab.source.fit, lab.source.options, (3, SMALL, SMALL), there, {"prior": lab.source}) as weights:
            if weights.is_file():
                loaded = replace(lab.source, weights=str(weights))  # type: ignore[type-var]
                loaded.load(prior.x_shape, there).eps(x_t, lab.levels[1])
    return f"the same eps on another device than the CPU, to {off:.1e}, and a step of training"


PRIOR_CHECKS: dict[str, Check] = {
    "abar": abar,
    "shape": eps_shape,
    "finite": finite,
    "batch": batch,
    "times": times,
    "fingerprint": fingerprint,
    "device": device,
}
