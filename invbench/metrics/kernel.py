"""Distance between the distributions of reconstructions and truths, by a kernel on features of AlexNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, SetEstimate, SetMetric, hookimpl
from invbench.metrics.perceptual import LPIPSAlex, lpips_network

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = (64, 192, 384, 256, 256)  # channels of the five layers that LPIPS takes


class KidAlex(SetMetric):
    """Squared maximum mean discrepancy (Gretton et al., 2012), unbiased, a mean over five layers of AlexNet.

    The features of each layer are those of LPIPS (unit vectors along the channels), averaged over the image and scaled
    to norm 1; the kernel is (a.b + 1)^3, that of KID on vectors of this norm. Pairs of images from the same photograph
    are left out, so that it is unbiased for other photographs, and 0 on average for images distributed as the truths.
    The reconstruction is clipped. The interval is a jackknife over photographs.

    It grows with the strength of every degradation that was tested: docs/metrics.md.
    """

    name: ClassVar[str] = "kid_alex"
    order: ClassVar[int] = 40
    summary: ClassVar[str] = "kernel distance of AlexNet features, unbiased; ships"
    protocol: ClassVar[str] = "kid/alex/5-layers/unit-mean/cubic/pairs-of-groups/clip[-1,1]/float"
    higher_is_better: ClassVar[bool] = False
    least: ClassVar[int] = 0
    deviations: ClassVar[str] = "jackknife over groups of images"

    def unavailable(self, measurement: Measurement) -> str | None:
        return LPIPSAlex().unavailable(measurement)

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        """Features of all layers side by side, (B, 1152)."""
        import torch

        network = lpips_network("alex", True).to(x_hat.device)
        with torch.inference_mode():
            maps = network.net(network.scaling_layer(x_hat.clamp(-1, 1)))
            means = [(z / (z.norm(dim=1, keepdim=True) + 1e-10)).mean((2, 3)) for z in maps]
            return torch.cat([z / z.norm(dim=1, keepdim=True) for z in means], 1).double()

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        return self.estimate(truth, restored, [str(i) for i in range(len(truth))])[0]

    def estimate(self, truth: Tensor, restored: Tensor, groups: Sequence[str]) -> SetEstimate:
        """The distance, and its interval by leaving out each group in turn, which needs three groups."""
        import torch

        codes = torch.tensor([groups.index(group) for group in groups], device=truth.device)
        members = torch.nn.functional.one_hot(codes.unique(return_inverse=True)[1]).double()  # (n, groups)
        sums = members.T @ pairwise(truth, restored) @ members  # of the pairs of each two groups
        sizes = members.sum(0)
        pairs = sizes[:, None] * sizes
        sums, pairs = sums - sums.diag().diag(), pairs - pairs.diag().diag()
        total, count, k = sums.sum(), pairs.sum(), len(sizes)
        value = float(total / count) if k > 1 else float("nan")
        if k < 3:
            return SetEstimate(value, float("nan"), float("nan"))
        without = (total - 2 * sums.sum(1)) / (count - 2 * pairs.sum(1))
        half = 1.96 * float(((k - 1) / k * (without - without.mean()).square().sum()).sqrt())
        return SetEstimate(value, value - half, value + half, tuple(without.tolist()))


def pairwise(truth: Tensor, restored: Tensor) -> Tensor:
    """(n, n): k(x, x') + k(y, y') - k(x, y') - k(x', y) of two truths x, x' and their reconstructions, over layers."""
    total = truth.new_zeros(len(truth), len(truth))
    for a, b in zip(truth.split(LAYERS, 1), restored.split(LAYERS, 1), strict=True):
        between = (a @ b.T + 1) ** 3
        total += (a @ a.T + 1) ** 3 + (b @ b.T + 1) ** 3 - between - between.T
    return total / len(LAYERS)


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [KidAlex]
