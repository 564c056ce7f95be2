"""Diffusion priors: one noise-prediction network (or closed form) that all solvers share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, final

from invbench.artifacts import Artifact
from invbench.errors import ConfigError, UnsupportedProblem
from invbench.operator import Shape

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor, nn

    from invbench.meter import Meter
    from invbench.problem import Posterior, Problem
    from invbench.training import Training

AnyPrior = TypeVar("AnyPrior", bound="Prior")
SIDE = 256  # of a picture that most priors take


class Prior(ABC):
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, t = 0..T-1, on images in [-1, 1].

    Attributes: ``x_shape`` (C, H, W); ``abar`` float64 (T,), the cumulative product of 1 - beta on the CPU.
    A time step is an int shared by the batch (fast) or an int64 tensor (B,).
    """

    x_shape: Shape
    abar: Tensor
    meter: Meter | None = None
    net: nn.Module  # what predicts, where that is a network

    @abstractmethod
    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        """Noise prediction and, where learned, the variance interpolation v in [-1, 1]; both (B, C, H, W)."""

    @final
    def eps(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """Predicted noise: (B, C, H, W) -> (B, C, H, W). One network evaluation per row."""
        return self.eps_and_v(x_t, t)[0]

    @final
    def x0(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """Tweedie's estimate of x_0, not clipped."""
        return self.to_x0(x_t, self.eps(x_t, t), t)

    @final
    def to_x0(self, x_t: Tensor, eps: Tensor, t: int | Tensor) -> Tensor:
        """x_0 that ``x_t`` and ``eps`` imply; no network evaluation."""
        abar = self.alpha_bar(t) if isinstance(t, int) else self.abar.to(x_t)[t][:, None, None, None]
        return (x_t - (1 - abar) ** 0.5 * eps) / abar**0.5

    @final
    def alpha_bar(self, t: int) -> float:
        """abar_t, with abar_{-1} = 1: the step after index 0 is the clean image."""
        return 1.0 if t == -1 else self._abars[t]

    @property
    def _abars(self) -> list[float]:
        """``abar`` as Python numbers, so that no step has to copy them from a tensor again."""
        tensor, numbers = self.__dict__.get("_numbers", (None, []))
        if tensor is not self.abar:
            numbers = self.abar.tolist()
            self.__dict__["_numbers"] = self.abar, numbers
        return numbers

    def student(self) -> Prior:
        """A prior of the same shapes whose network ``net`` can be trained, on the device that this one was loaded for.

        It starts as a copy of this prior's network. Raises UnsupportedProblem for a prior without one.
        """
        raise UnsupportedProblem(
            f"{type(self).__name__} has no network that could be trained; define student(), for example to return an "
            "invbench.MlpPrior of its shape and schedule"
        )

    def posterior(self, problem: Problem) -> Posterior | None:
        """p(x | y) of a problem, if it is known in closed form."""
        del problem
        return None

    @final
    def metered(self: AnyPrior, meter: Meter) -> AnyPrior:
        """The same prior, reporting its evaluations and their time to ``meter``."""
        counted = copy.copy(self)
        counted.meter = meter
        return counted

    @final
    def eps_and_v(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        """Predicted noise and, where learned, the variance interpolation v in [-1, 1]; one evaluation per row."""
        if tuple(x_t.shape[1:]) != tuple(self.x_shape):
            raise UnsupportedProblem(f"prior: expected x_t of shape (B, *{self.x_shape}); got {tuple(x_t.shape)}")
        if self.meter is None:
            return self._predict(x_t, t)
        with self.meter.evaluation(x_t):
            eps, v = self._predict(x_t, t)
        self.meter.watch_backward(x_t, eps, v)
        return eps, v


@dataclass(frozen=True)
class Arithmetic:
    """Cost of one network evaluation on one image: multiply-adds, and what fvcore counts (the paper's FLOPs)."""

    x_shape: Shape
    parameters: int
    macs: int
    fvcore: int


class PriorSource(ABC):
    """How a named prior is made. Subclasses are frozen dataclasses: their fields are its options."""

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    artifacts: ClassVar[tuple[Artifact, ...]] = ()  # files that ``invbench fetch`` gets

    @property
    def precision(self) -> str:
        """Precision of the network's arithmetic in a run: the field ``dtype`` if there is one, else float32."""
        return str(getattr(self, "dtype", "float32"))

    def refuse(self, x_shape: Shape) -> None:
        """Raise ConfigError if the prior does not take images of this shape. Needs no weights."""
        del x_shape

    @abstractmethod
    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        """Build the prior for images of this shape. Raises DataError if weights are absent or damaged."""

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of what determines the prior (weights file, or the parameters of a closed form)."""

    def cost(self, x_shape: Shape | None = None) -> Arithmetic | None:
        """Cost of an evaluation at this shape, or at the network's own; None if unknown. Needs no weights."""
        del x_shape
        return None


def refuse_channels(channels: int, x_shape: Shape) -> None:
    """Raise ConfigError for images of other than a network's number of channels; 0 takes any."""
    if channels and x_shape[0] != channels:
        raise ConfigError(
            f"this prior takes {channels}-channel images; got {'x'.join(map(str, x_shape))}. Read such images with "
            f"dataset=arrays dataset.channels={channels}"
        )


def picture_channels(source: PriorSource) -> int:
    """Channels of the pictures that a prior takes: 1 if it takes only grey ones, else 3."""

    def takes(channels: int) -> bool:
        try:
            source.refuse((channels, SIDE, SIDE))
        except ConfigError:
            return False
        return True

    return 1 if not takes(3) and takes(1) else 3


class TrainablePrior(PriorSource):
    """A prior that is trained by ``invbench train prior=NAME``. Its field ``weights`` is a file to start from, or ''.

    ``options`` is a frozen dataclass, the options of a training, as a trainable solver's.
    """

    options: ClassVar[type[Any]]
    weights: str

    def for_images(self, x_shape: Shape) -> TrainablePrior:
        """The same prior for a training on images of this shape, with options that depend on the images filled in."""
        del x_shape
        return self

    @abstractmethod
    def fit(self, training: Training) -> Path:
        """Train on ``training.images``; returns the file of weights in ``training.folder``."""
