"""Deblurring. Separable blurs have zero (mid-grey) borders; motion blur is periodic or mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import invbench as ib
from invbench import ConfigError, DataError, Operator, Rng, Shape, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GaussianDeblur(Task):
    """Gaussian blur of standard deviation ``std`` pixels, ``taps`` wide, or that of a ``kernel``, a file.

    One-dimensional singular values below ``threshold`` are set to zero in H itself, as the reference codes do. A kernel
    is a picture or an ``.npy`` array; it is scaled to sum 1, and blurs with periodic borders.
    """

    name: ClassVar[str] = "deblur"
    summary: ClassVar[str] = "Gaussian blur, or that of a kernel"
    places: ClassVar[tuple[str, ...]] = ("kernel",)
    std: float = 3.0
    taps: int = 61
    threshold: float = 0.03
    kernel: str = ""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        if self.kernel:
            return ib.Circular(x_shape, read_kernel(Path(self.kernel).expanduser()))
        taps = gaussian_taps(self.std, self.taps)
        rows, cols = (blur_matrix(side, taps) for side in x_shape[1:])
        return ib.Separable(x_shape, rows, cols, self.threshold)


@dataclass(frozen=True)
class TiledGaussianDeblur(Task):
    """The operator that the code of DDRM, DDNM, RED-diff and DAVI computes under the name of Gaussian deblurring.

    Last tap dropped, float32 SVD, truncation at 0.03, and the sorted singular values of one channel tiled over
    channel-fastest coefficients. The result is close to a blur of sqrt(3) times the nominal width plus a
    high-frequency leak. The paper's tables use it; numbers are not comparable with ``deblur``.
    """

    name: ClassVar[str] = "deblur_ddrm_tiled"
    summary: ClassVar[str] = "the reference codes' mis-ordered Gaussian blur"
    std: float = 3.0
    taps: int = 61
    threshold: float = 0.03

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        taps = gaussian_taps(self.std, self.taps)
        taps[-1] = 0
        rows, cols = (blur_matrix(side, taps).float() for side in x_shape[1:])
        return ib.Separable(x_shape, rows, cols, self.threshold, tiled=True)


@dataclass(frozen=True)
class UniformDeblur(Task):
    """Box blur, ``taps`` x ``taps``, centred (the reference codes drop one tap and shift by half a pixel)."""

    name: ClassVar[str] = "deblur_uniform"
    summary: ClassVar[str] = "box blur"
    taps: int = 9
    threshold: float = 0.03

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        import torch

        del rng
        if self.taps < 1 or self.taps % 2 == 0:
            raise ConfigError(f"deblur_uniform: needs an odd number of taps; got {self.taps}")
        taps = torch.full((self.taps,), 1 / self.taps, dtype=torch.float64)
        rows, cols = (blur_matrix(side, taps) for side in x_shape[1:])
        return ib.Separable(x_shape, rows, cols, self.threshold)


@dataclass(frozen=True)
class AnisotropicDeblur(Task):
    """Gaussian blur with different widths along rows and columns, of an odd number of taps.

    The reference codes lose the last of theirs: weights sum to 0.89 along columns, and images move by half a pixel.
    """

    name: ClassVar[str] = "deblur_aniso"
    summary: ClassVar[str] = "anisotropic Gaussian blur"
    std_rows: float = 1.0
    std_cols: float = 20.0
    taps: int = 9
    threshold: float = 0.03

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        _, H, W = x_shape
        rows = blur_matrix(H, gaussian_taps(self.std_rows, self.taps))
        cols = blur_matrix(W, gaussian_taps(self.std_cols, self.taps))
        return ib.Separable(x_shape, rows, cols, self.threshold)


@dataclass(frozen=True)
class MotionDeblur(Task):
    """Straight motion of ``length`` pixels at ``angle`` degrees.

    ``boundary="circular"`` has a fast SVD; ``"reflect"`` has none, so solvers that need one skip it.
    """

    name: ClassVar[str] = "deblur_motion"
    summary: ClassVar[str] = "straight motion blur"
    length: float = 15.0
    angle: float = 30.0
    boundary: str = "circular"

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        operators = {"circular": ib.Circular, "reflect": ib.Convolution}
        if self.boundary not in operators:
            raise ConfigError(f"deblur_motion: boundary must be one of {', '.join(operators)}; got {self.boundary!r}")
        return operators[self.boundary](x_shape, motion_kernel(self.length, self.angle))


def read_kernel(path: Path) -> Tensor:
    """The weights of a file, scaled to sum 1. Raises DataError for a file that holds none."""
    kernel = ib.read_plane(path)
    if kernel.sum() <= 0:
        raise DataError(f"{path}: expected a kernel whose weights have a sum above 0; got {kernel.sum():g}")
    return kernel / kernel.sum()


def gaussian_taps(std: float, taps: int) -> Tensor:
    """Centred, normalised weights (taps,), float64."""
    import torch

    if not 0 < std < math.inf or taps < 1 or taps % 2 == 0:
        raise ConfigError(f"a Gaussian blur needs std > 0 and an odd number of taps; got std={std}, taps={taps}")
    i = torch.arange(taps, dtype=torch.float64) - taps // 2
    weights = torch.exp(-(i**2) / (2 * std**2))
    return weights / weights.sum()


def blur_matrix(n: int, taps: Tensor) -> Tensor:
    """(n, n) band matrix of a centred kernel with zero borders, float64."""
    import torch

    i = torch.arange(n)
    offset = i[None, :] - i[:, None] + len(taps) // 2
    inside = (offset >= 0) & (offset < len(taps))
    return taps[offset.clamp(0, len(taps) - 1)].where(inside, taps.new_zeros(()))


def motion_kernel(length: float, angle: float) -> Tensor:
    """Normalised (k, k) kernel of a straight line through the centre, bilinearly spread, float32."""
    import torch

    if not 1 <= length < math.inf:
        raise ConfigError(f"deblur_motion: length must be at least 1 pixel; got {length}")
    radius = math.ceil(length / 2)
    along = torch.linspace(-(length - 1) / 2, (length - 1) / 2, 16 * radius + 1, dtype=torch.float64)
    y, x = -along * math.sin(math.radians(angle)), along * math.cos(math.radians(angle))
    grid = torch.arange(-radius, radius + 1, dtype=torch.float64)
    rows, cols = ((1 - (grid - at[:, None]).abs()).clamp(min=0) for at in (y, x))  # bilinear weights (points, k)
    kernel = rows.T @ cols
    return (kernel / kernel.sum()).float()


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [GaussianDeblur, TiledGaussianDeblur, UniformDeblur, AnisotropicDeblur, MotionDeblur]
