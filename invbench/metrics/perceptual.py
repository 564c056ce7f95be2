"""Perceptual similarity to the truth: HaarPSI, which needs no weights, and LPIPS in the protocols of the literature."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import Artifact, DataError, Measurement, Metric, hookimpl
from invbench.metrics.trunks import ARTIFACTS, trunk_state

if TYPE_CHECKING:
    from torch import Tensor

C, ALPHA, SCALES = 30.0, 4.2, 3  # HaarPSI's constants and number of wavelet scales
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def haarpsi(x_hat: Tensor, x: Tensor) -> Tensor:
    """Haar wavelet-based perceptual similarity index (Reisenhofer et al., 2018): (B, C, H, W) in [0, 255] -> (B,).

    Compares the two finest scales of the luminance, weighted by the coarsest, and the chroma of colour images. Images
    are halved first. Greater is more similar; 1 means equal.
    """
    import torch
    import torch.nn.functional as F

    def planes(image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Wavelet coefficients (B, 2, SCALES, H, W) of the luminance, and the smoothed chroma (B, 2, H, W)."""
        yiq = torch.einsum("rc,bchw->brhw", image.new_tensor(YIQ), image) if image.shape[1] == 3 else image
        odd = max(side % 2 for side in image.shape[2:])
        half = F.avg_pool2d(F.pad(yiq, (0, odd, 0, odd)), 2)
        scales = [_same(half[:, :1], _haar(2**j, image)) for j in range(1, SCALES + 1)]
        chroma = _same(half[:, 1:].flatten(0, 1)[:, None], image.new_full((1, 1, 2, 2), 0.25))
        return torch.stack(scales, 2), chroma.unflatten(0, (len(image), 2))[:, :, 0] if yiq.shape[1] == 3 else None

    (a, chroma_a), (b, chroma_b) = planes(x_hat.double()), planes(x.double())
    a, b = a.abs(), b.abs()
    alike = _alike(a[:, :, :2], b[:, :, :2]).mean(2)  # (B, 2, H, W): a map for each orientation
    weight = torch.maximum(a[:, :, 2], b[:, :, 2])
    if chroma_a is not None and chroma_b is not None:
        alike = torch.cat([alike, _alike(chroma_a.abs(), chroma_b.abs()).mean(1, keepdim=True)], 1)
        weight = torch.cat([weight, weight.mean(1, keepdim=True)], 1)
    tiny = torch.finfo(weight.dtype).eps
    mean = ((ALPHA * alike).sigmoid() * weight).flatten(1).sum(1) + tiny
    return ((mean / (weight.flatten(1).sum(1) + tiny)).logit() / ALPHA).square()


def _alike(a: Tensor, b: Tensor) -> Tensor:
    return (2 * a * b + C) / (a.square() + b.square() + C)


def _haar(side: int, like: Tensor) -> Tensor:
    """The Haar filter of a side in both orientations, (2, 1, side, side)."""
    import torch

    rows = like.new_ones(side, side, dtype=torch.float64) / side
    rows[side // 2 :] *= -1
    return torch.stack([rows, rows.T])[:, None]


def _same(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlation with zero padding, of the size of the input."""
    import torch.nn.functional as F

    before, after = (kernel.shape[-1] - 1) // 2, kernel.shape[-1] // 2
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel.to(x.dtype))


class HaarPSI(Metric):
    """Haar wavelet-based perceptual similarity on [0, 255], with chroma; the reconstruction is clipped."""

    name: ClassVar[str] = "haarpsi"
    order: ClassVar[int] = 30
    headline: ClassVar[bool] = True
    summary: ClassVar[str] = "Haar wavelet-based perceptual similarity; needs no weights"
    protocol: ClassVar[str] = "haarpsi/yiq/halved/clip[-1,1]/float"
    higher_is_better: ClassVar[bool] = True

    def unavailable(self, measurement: Measurement) -> str | None:
        small = min(measurement.A.x_shape[1:]) < 2 ** (SCALES + 1)
        if small or measurement.A.x_shape[0] not in (1, 3):
            return f"images must be grey or colour and at least {2 ** (SCALES + 1)} pixels wide and high"
        return None

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        return haarpsi(*(127.5 * (z.clamp(-1, 1) + 1) for z in (x_hat, measurement.x)))


class LPIPS(Metric):
    """Learned perceptual distance (Zhang et al., 2018), v0.1, by package ``lpips``; the reconstruction is clipped."""

    trunk: ClassVar[str]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = False
    scaled: ClassVar[bool] = True  # to ImageNet's mean and deviation

    def unavailable(self, measurement: Measurement) -> str | None:
        if measurement.A.x_shape[0] != 3 or min(measurement.A.x_shape[1:]) < 32:
            return "images must be in colour and at least 32x32 pixels"
        try:
            lpips_network(self.trunk, self.scaled)
        except DataError as error:
            return str(error)
        return None

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        import torch

        network = lpips_network(self.trunk, self.scaled).to(x_hat.device)
        with torch.inference_mode():
            return network(self.prepare(x_hat.clamp(-1, 1)), measurement.x).flatten().double()

    def prepare(self, x_hat: Tensor) -> Tensor:
        """The reconstruction in the form that the network takes."""
        return x_hat


@cache
def lpips_network(trunk: str, scaled: bool) -> Any:
    """The network with the package's linear layers and torchvision's trunk, whose file has no slices."""
    import warnings

    import torch

    weights, path = trunk_state(trunk)
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision by an old name
        network = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    names = {key: "features." + key.partition(".")[2] for key in network.net.state_dict()}
    try:
        network.net.load_state_dict({key: weights[name] for key, name in names.items()})
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{path} is not torchvision's {trunk}: {error}") from None
    if not scaled:
        network.scaling_layer = torch.nn.Identity()
    return network.eval().requires_grad_(False)


class LPIPSAlex(LPIPS):
    """The package's default: AlexNet, whose weights ship."""

    name: ClassVar[str] = "lpips_alex"
    order: ClassVar[int] = 25
    headline: ClassVar[bool] = True
    summary: ClassVar[str] = "LPIPS with AlexNet, the package's default; ships"
    protocol: ClassVar[str] = "lpips/alex/v0.1/in[-1,1]/clip/float"
    trunk: ClassVar[str] = "alex"


class LPIPSVgg(LPIPS):
    """VGG16, as most papers on restoration use it."""

    name: ClassVar[str] = "lpips_vgg"
    summary: ClassVar[str] = "LPIPS with VGG16"
    protocol: ClassVar[str] = "lpips/vgg/v0.1/in[-1,1]/clip/float"
    trunk: ClassVar[str] = "vgg"
    artifacts: ClassVar[tuple[Artifact, ...]] = (ARTIFACTS["vgg"],)


class LPIPSSqueeze(LPIPS):
    """SqueezeNet 1.1."""

    name: ClassVar[str] = "lpips_squeeze"
    summary: ClassVar[str] = "LPIPS with SqueezeNet"
    protocol: ClassVar[str] = "lpips/squeeze/v0.1/in[-1,1]/clip/float"
    trunk: ClassVar[str] = "squeeze"
    artifacts: ClassVar[tuple[Artifact, ...]] = (ARTIFACTS["squeeze"],)


class LPIPSDavi(LPIPS):
    """The call of DAVI's official code: VGG16 without ImageNet's scaling, on images truncated to eight bits.

    Its network sees half the contrast of ``lpips_vgg``; the paper's LPIPS columns are comparable only with this metric.
    """

    name: ClassVar[str] = "lpips_davi"
    summary: ClassVar[str] = "LPIPS as DAVI's official code calls it: VGG16, unscaled"
    protocol: ClassVar[str] = "lpips/vgg/v0.1/unscaled/in[-1,1]/u8-trunc"
    trunk: ClassVar[str] = "vgg"
    scaled: ClassVar[bool] = False
    artifacts: ClassVar[tuple[Artifact, ...]] = (ARTIFACTS["vgg"],)

    def prepare(self, x_hat: Tensor) -> Tensor:
        return (127.5 * (x_hat + 1)).floor() / 127.5 - 1


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [HaarPSI, LPIPSAlex, LPIPSVgg, LPIPSSqueeze, LPIPSDavi]
