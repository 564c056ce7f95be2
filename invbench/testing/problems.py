"""The tiny problems on which solvers and metrics are tested: a mixture of two Gaussians on oblong images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invbench.dataset import Benchmark
from invbench.linops import BlockMean
from invbench.operator import Operator, Shape, SVDOperator
from invbench.plugins import Catalog, load_catalog
from invbench.priors.gmm import Covariance, GaussianMixture, Scalar
from invbench.priors.gmm_prior import GmmPrior
from invbench.priors.mlp import MlpPrior
from invbench.rng import Rng

SHAPE: Shape = (3, 8, 12)
BENCHMARK = TASK = "conformance"
SIGMA = 0.1
SMALL = 64  # the longest side of test images


class Tally:
    """A counter shared by copies of its owner."""

    def __init__(self) -> None:
        self.rows = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Tally:
        return self


@dataclass(frozen=True)
class CountedMixture(GaussianMixture):
    """A mixture that counts the rows of every evaluation of its score, whoever calls it."""

    tally: Tally = field(default_factory=Tally)

    def score(self, x: Tensor, abar: Scalar) -> Tensor:
        self.tally.rows += len(x)
        return GaussianMixture.score(self, x, abar)


class Saturation(Operator):
    """y = tanh(2 x), then the mean of every 2 x 2 block: nonlinear, and of another shape than x."""

    def __init__(self, x_shape: Shape) -> None:
        C, H, W = x_shape
        self.x_shape, self.y_shape = x_shape, (C, H // 2, W // 2)

    def _A(self, x: Tensor) -> Tensor:
        return F.avg_pool2d((2 * x).tanh(), 2)


class PairedMeans(SVDOperator):
    """Means of 4 x 4 blocks, every second one as the imaginary part of the previous one: complex, y (m / 2,)."""

    def __init__(self, x_shape: Shape) -> None:
        self.means = BlockMean(x_shape, 4)
        self.x_shape, self.y_shape, self.s = x_shape, (math.prod(self.means.y_shape) // 2,), self.means.s

    def U(self, z: Tensor) -> Tensor:
        return torch.view_as_complex(z.reshape(len(z), -1, 2).contiguous())

    def Ut(self, y: Tensor) -> Tensor:
        return torch.view_as_real(y.resolve_conj()).flatten(1)

    def V(self, w: Tensor) -> Tensor:
        return self.means.V(w)

    def Vt(self, x: Tensor) -> Tensor:
        return self.means.Vt(x)


def tiny_mixture(x_shape: Shape) -> CountedMixture:
    """A dark and a bright Gaussian with a ramp each, pixels independent; nearly all mass within [-1, 1]."""
    n = math.prod(x_shape)
    ramp = torch.linspace(-0.3, 0.3, n, dtype=torch.float64)
    means = torch.stack([ramp - 0.3, 0.3 - ramp])
    variances = (0.04 + 0.02 * torch.cos(torch.arange(n, dtype=torch.float64)), torch.full((n,), 0.02).double())
    weights = torch.tensor([0.6, 0.4], dtype=torch.float64)
    return CountedMixture(weights, means, tuple(Covariance.diagonal(v) for v in variances))


class CountedPrior(GmmPrior):
    """The exact prior of a counted mixture; evaluations of its students are counted too."""

    mixture: CountedMixture

    def student(self) -> MlpPrior:
        student, tally = MlpPrior(self.x_shape, self.abar, self.device), self.mixture.tally

        def count(module: nn.Module, args: tuple[Any, ...]) -> None:
            tally.rows += len(args[0])

        student.net.register_forward_pre_hook(count)
        return student


def tiny_prior(x_shape: Shape = SHAPE, device: torch.device | str = "cpu") -> tuple[GmmPrior, Tally]:
    """The exact prior of the mixture, and the counter of its evaluations."""
    mixture = tiny_mixture(x_shape)
    return CountedPrior(mixture, x_shape, device), mixture.tally


def measure(A: Operator, images: tuple[str, ...], sigma: float) -> tuple[Tensor, Tensor]:
    """Truths (B, *x_shape) and measurements (B, *y_shape), float32; equal ids are equal rows.

    Image a is dark, b bright, c dark.
    """
    x = tiny_mixture(A.x_shape).sample(Rng.for_images(images, purpose="x")).float().reshape(-1, *A.x_shape)
    clean = A(x)
    return x, clean + sigma * Rng.for_images(images, purpose="noise").randn_like(clean)


@cache
def installed() -> Catalog:
    """Every installed plugin, loaded once."""
    return load_catalog()


def small_presets() -> list[tuple[Benchmark, Shape]]:
    """The presets whose images are small, and the shape of those."""
    return [(benchmark, shape) for benchmark, shape in presets() if max(shape) <= SMALL]


def presets() -> list[tuple[Benchmark, Shape]]:
    """The presets, and the shape of their images."""
    plugins = installed().plugins["dataset"].values()
    return [(p.cls.benchmark, tuple(p.cls().x_shape)) for p in plugins if p.cls.benchmark is not None]
