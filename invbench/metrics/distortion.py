"""Distortion: PSNR and SSIM against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

WINDOW, STD = 11, 1.5  # SSIM's Gaussian window (Wang et al., 2004)


def psnr(x_hat: Tensor, x: Tensor, data_range: float) -> Tensor:
    """10 log10(range^2 / MSE), per image: (B, C, H, W) twice -> (B,). Infinite where they are equal.

    >>> import torch
    >>> psnr(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.2), data_range=2.0).round(decimals=4)
    tensor([20.], dtype=torch.float64)
    """
    mse = (x_hat.double() - x.double()).square().flatten(1).mean(1)
    return 10 * (data_range**2 / mse).log10()


def ssim(x_hat: Tensor, x: Tensor, data_range: float) -> Tensor:
    """Structural similarity, per image: mean over channels and over windows that lie inside the image."""
    import torch
    import torch.nn.functional as F

    i = torch.arange(WINDOW, dtype=torch.float64, device=x.device) - WINDOW // 2
    taps = torch.exp(-(i**2) / (2 * STD**2))
    taps = taps / taps.sum()
    a, b = (z.double().flatten(0, 1)[:, None] for z in (x_hat, x))  # (B C, 1, H, W)
    moments = torch.cat([a, b, a * a, b * b, a * b], dim=1).flatten(0, 1)[:, None]
    smooth = F.conv2d(F.conv2d(moments, taps[None, None, None]), taps[None, None, :, None])
    mu_a, mu_b, aa, bb, ab = smooth.unflatten(0, (len(a), 5)).unbind(1)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mu_a * mu_b + c1) / (mu_a**2 + mu_b**2 + c1)
    structure = (2 * (ab - mu_a * mu_b) + c2) / (aa - mu_a**2 + bb - mu_b**2 + c2)
    return (luminance * structure).unflatten(0, x.shape[:2]).flatten(1).mean(1)


class PSNR(Metric):
    """Peak signal-to-noise ratio over all channels; the reconstruction is clipped, nothing is quantised."""

    name: ClassVar[str] = "psnr"
    digits: ClassVar[str] = ".2f"
    order: ClassVar[int] = 10
    headline: ClassVar[bool] = True
    summary: ClassVar[str] = "peak signal-to-noise ratio"
    protocol: ClassVar[str] = "psnr/rgb/range2/clip[-1,1]/float"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool] = True

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        return psnr(x_hat.clamp(-1, 1), measurement.x, data_range=2.0)


class SSIM(Metric):
    """Structural similarity on [0, 1] with an 11 x 11 Gaussian window, per channel; the reconstruction is clipped.

    On [0, 1] as in the literature: its luminance term is not the same for images on [-1, 1].
    """

    name: ClassVar[str] = "ssim"
    order: ClassVar[int] = 20
    summary: ClassVar[str] = "structural similarity"
    protocol: ClassVar[str] = "ssim/rgb/gauss11-1.5/range1/clip[0,1]/float"
    higher_is_better: ClassVar[bool] = True

    def unavailable(self, measurement: Measurement) -> str | None:
        small = min(measurement.A.x_shape[1:]) < WINDOW
        return f"images must be at least {WINDOW}x{WINDOW} pixels" if small else None

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        return ssim((x_hat.clamp(-1, 1) + 1) / 2, (measurement.x + 1) / 2, data_range=1.0)


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [PSNR, SSIM]
