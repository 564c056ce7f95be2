"""Phase retrieval: only the magnitudes of an oversampled Fourier transform are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class FourierMagnitude(Operator):
    """y = |F pad(x)| per channel: zeros on every side, then the orthonormal 2-D FFT, frequency zero in the centre.

    The gradient of a magnitude at zero is taken as zero.
    """

    def __init__(self, x_shape: Shape, pad: tuple[int, int]) -> None:
        """``pad``: zeros before and after the rows, and before and after the columns."""
        C, H, W = x_shape
        self.rows, self.cols = pad
        self.x_shape, self.y_shape = x_shape, (C, H + 2 * self.rows, W + 2 * self.cols)

    def _A(self, x: Tensor) -> Tensor:
        import torch

        padded = torch.nn.functional.pad(_wide(x), (self.cols, self.cols, self.rows, self.rows))
        spectrum = torch.fft.fft2(padded, norm="ortho")
        return torch.fft.fftshift(_magnitude(spectrum), dim=(-2, -1)).to(x.dtype)

    def guess(self, y: Tensor) -> Tensor:
        """Magnitude of the inverse FFT of y as if every phase were zero, cropped, cut off at white."""
        import torch

        _, H, W = self.x_shape
        spectrum = torch.fft.ifftshift(_wide(y), dim=(-2, -1))
        padded = torch.fft.fftshift(torch.fft.ifft2(spectrum, norm="ortho"), dim=(-2, -1)).abs()
        image = padded[:, :, self.rows : self.rows + H, self.cols : self.cols + W]
        return image.clamp(max=1).to(y.dtype)


def _magnitude(z: Tensor) -> Tensor:
    """|z|; 0 if its square is below what floats hold, since there the gradient is 0 / 0 on some processors."""
    import torch

    size = torch.maximum(z.real.abs(), z.imag.abs())
    return z.where(size > torch.finfo(size.dtype).tiny ** 0.5, torch.zeros_like(z)).abs()


@dataclass(frozen=True)
class PhaseRetrieval(Task):
    """y = |F pad(x)|; each side of the image is padded by floor(``oversample`` / 8 of its length) zeros.

    As in DPS and RED-diff, the image stays in [-1, 1], so the padding is mid-grey and the constant term is that of
    the mean's distance from grey. The image, its negative, its half turn, and its shifts within the padding measure
    alike: a reconstruction can be right and far from the truth. The initial estimate is RED-diff's, an image in [0, 1].
    """

    name: ClassVar[str] = "phase_retrieval"
    summary: ClassVar[str] = "Fourier magnitudes without phases (nonlinear)"
    oversample: float = 2.0

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        _, H, W = x_shape
        fraction = self.oversample / 8
        if not (0 < fraction < math.inf and math.floor(fraction * min(H, W)) >= 1):
            raise ConfigError(
                f"phase_retrieval: oversample must pad at least one pixel, 8 / {min(H, W)} or more on {H}x{W}; "
                f"got {self.oversample}"
            )
        return FourierMagnitude(x_shape, (math.floor(fraction * H), math.floor(fraction * W)))


def _wide(z: Tensor) -> Tensor:
    """At least float32: the FFT has no kernel for bfloat16."""
    import torch

    return z.to(torch.promote_types(z.dtype, torch.float32))


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [PhaseRetrieval]
