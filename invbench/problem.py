"""The problem, its measurements, and the interface of a posterior that is known in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from invbench.operator import Operator, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.rng import Rng

Part = Literal["range", "null"]  # of the image space: what the operator measures, and what it does not


@dataclass(frozen=True)
class Problem:
    """What a solver may know about y = A(x) + noise. The ground truth is not part of it."""

    A: Operator
    sigma_y: float | None  # Gaussian level on [-1, 1]; None if the experiment hides it
    task: str
    dataset: str
    benchmark: str = ""  # the preset
    options: Mapping[str, Any] = field(default_factory=dict)  # the task's, but for its noise

    @property
    def x_shape(self) -> Shape:
        """(C, H, W) of the image to restore."""
        return self.A.x_shape

    @property
    def sigma(self) -> float:
        """``sigma_y`` for solvers that declare ``needs_sigma``; the runner gives them only problems that have one."""
        assert self.sigma_y is not None, "a solver that reads sigma must declare needs_sigma"
        return self.sigma_y


class Posterior(Protocol):
    """p(x | y) in closed form. Images are flat, x (B, n) or samples (B, K, n), measurements (B, m).

    All are float64 on the CPU, in the form that ``flat`` returns, whatever the device of the problem.
    """

    def flat(self, y: Tensor) -> Tensor:
        """Measurements (B, *y_shape) in the form that the other methods take."""
        ...

    def sample(self, y: Tensor, rng: Rng) -> Tensor:
        """One exact draw per row: (B, m) -> (B, n)."""
        ...

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """Log density: (B, n), (B, m) -> (B,)."""
        ...

    def dimension(self, part: Part) -> int:
        """Dimension of the range or the null space of H."""
        ...

    def mean_gap(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Distance of the samples' mean from E[x | y], in standard deviations of the posterior: (B,)."""
        ...

    def spread_ratio(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Root mean square standard deviation of the samples over that of the posterior: (B,)."""
        ...

    def coverage(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Share of the samples inside the posterior's central 90 % interval: (B,)."""
        ...

    def sliced_wasserstein(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """2-Wasserstein distance along random directions, in standard deviations of the posterior: (B,)."""
        ...

    def mode_error(self, x: Tensor, y: Tensor) -> Tensor:
        """Total variation between the modes the samples fall into and the posterior's weights: (B,)."""
        ...


@dataclass(frozen=True)
class Measurement:
    """A batch of measured images: the truth x, y = A(x) + noise, the noise's true std, and SHA-256 of each y."""

    images: tuple[str, ...]
    x: Tensor  # (B, C, H, W)
    y: Tensor  # (B, *y_shape)
    std: Tensor  # broadcastable to y
    sha256: tuple[str, ...]
    A: Operator
    posterior: Posterior | None = None  # if it is known
