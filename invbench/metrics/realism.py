"""Realism: the distance between the set of reconstructions and the set of truths, without pairing them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import Artifact, DataError, Measurement, Metric, SetMetric, hookimpl, locate

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

INCEPTION = {
    "clean": Artifact(
        "inception_fid",
        "inception-2015-12-05.pt",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    ),
    "legacy_pytorch": Artifact(
        "inception_ptfid",
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "6726825d",
    ),
}


def _counts(picks: Tensor, n: int) -> Tensor:
    """How often each resample (resamples, n) holds each of n images: (resamples, n)."""
    import torch

    return torch.zeros_like(picks).scatter_add_(1, picks, torch.ones_like(picks)).to(torch.float64)


class InceptionMetric(SetMetric):
    """A distance of Inception features by clean-fid's network and resizing, on images of eight bits.

    ``added`` is added before truncation to integers: 0.5 rounds; a tiny value leaves 8-bit images unchanged.
    """

    higher_is_better: ClassVar[bool] = False
    mode: ClassVar[str] = "clean"
    added: ClassVar[float] = 0.5

    def unavailable(self, measurement: Measurement) -> str | None:
        if measurement.A.x_shape[0] != 3:
            return "images must be in colour"
        try:
            inception(self.mode, measurement.x.device)
        except DataError as error:
            return str(error)
        return None

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        """Features of the last pooling, (B, 2048)."""
        import torch
        from cleanfid.resize import build_resizer

        u8 = self.eight_bits(x_hat).permute(0, 2, 3, 1).cpu().numpy()
        resize = build_resizer(self.mode)
        resized = torch.stack([torch.from_numpy(resize(image)).permute(2, 0, 1) for image in u8])
        with torch.inference_mode():
            return inception(self.mode, x_hat.device)(resized.to(x_hat.device)).double()

    def eight_bits(self, x_hat: Tensor) -> Tensor:
        """The image as uint8, of the same shape."""
        return (127.5 * (x_hat.clamp(-1, 1) + 1) + self.added).floor().byte()


class FID(InceptionMetric):
    """Fréchet distance, resized without aliasing (clean-fid's "clean")."""

    name: ClassVar[str] = "fid"
    digits: ClassVar[str] = ".2f"
    summary: ClassVar[str] = "Fréchet Inception distance, clean-fid's resizing"
    protocol: ClassVar[str] = "fid/clean/u8-round"
    artifacts: ClassVar[tuple[Artifact, ...]] = (INCEPTION["clean"],)

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        return frechet_distance(truth, restored)

    def distances(self, truth: Tensor, restored: Tensor, picks: Tensor) -> list[float]:
        """Computed from products of all pairs of features: a resample weights their rows and columns."""
        import torch

        n = len(truth)
        if n > truth.shape[1]:
            return list(super().distances(truth, restored, picks))
        a, b = truth.double(), restored.double()
        weights, products = _counts(picks, n).to(a), (a @ a.T, b @ b.T, a @ b.T)
        scores = []
        for w in weights:
            aa, bb, ab = (_centred(z, w) for z in products)
            means = (w @ (products[0] + products[1] - 2 * products[2]) @ w) / n**2
            scores.append(means + (aa.trace() + bb.trace() - 2 * torch.linalg.svdvals(ab).sum()) / (n - 1))
        return torch.stack(scores).tolist()


class FIDLegacy(FID):
    """Fréchet distance by pytorch-fid, which the paper used, on images that are truncated to 8 bits as in the paper."""

    name: ClassVar[str] = "fid_legacy"
    summary: ClassVar[str] = "Fréchet Inception distance as pytorch-fid computes it"
    protocol: ClassVar[str] = "fid/legacy_pytorch/u8-floor"
    mode: ClassVar[str] = "legacy_pytorch"
    added: ClassVar[float] = 1e-3
    artifacts: ClassVar[tuple[Artifact, ...]] = (INCEPTION["legacy_pytorch"],)


class KID(InceptionMetric):
    """Kernel Inception distance: unbiased, from all pairs of images."""

    name: ClassVar[str] = "kid"
    summary: ClassVar[str] = "kernel Inception distance, clean-fid's resizing"
    protocol: ClassVar[str] = "kid/clean/cubic/all-pairs/u8-round"
    artifacts: ClassVar[tuple[Artifact, ...]] = (INCEPTION["clean"],)

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        return kernel_distance(truth, restored)

    def distances(self, truth: Tensor, restored: Tensor, picks: Tensor) -> list[float]:
        """Computed from the kernels of all pairs: a resample weights their rows and columns."""
        n, d = truth.shape
        a, b = truth.double(), restored.double()
        w = _counts(picks, n).to(a)
        aa, bb, ab = ((x @ y.T / d + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
        within, between = aa + bb, (w @ ab * w).sum(1) / n**2
        pairs = (w @ within * w).sum(1) - w @ within.diagonal()
        return (pairs / (n * (n - 1)) - 2 * between).tolist()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance of Gaussians fitted to features (n, d) and (m, d), n and m at least 2.

    The trace of the root of S_a S_b is the sum of singular values of R_a R_b^T, where R^T R = S.
    """
    import torch

    centred = [(z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (a.double(), b.double())]
    roots = [torch.linalg.qr(z, mode="r").R for z in centred]
    trace = sum(z.square().sum() for z in centred) - 2 * torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return float((a.double().mean(0) - b.double().mean(0)).square().sum() + trace)


def _centred(products: Tensor, w: Tensor) -> Tensor:
    """Inner products (n, n) of centred features if row i counts w_i times; rows and columns scaled by sqrt(w)."""
    n = len(w)
    left, right = products @ w / n, w @ products / n
    root = w.sqrt()
    return root[:, None] * (products - left[:, None] - right + w @ left / n) * root


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of features (n, d) and (m, d), kernel (x.y / d + 1)^3."""
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k = kernel(x, x)
        return (k.sum() - k.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


@cache
def inception(mode: str, device: torch.device) -> Callable[[Tensor], Tensor]:
    """(B, 3, 299, 299) in [0, 255] -> (B, 2048). Raises DataError if the weights are absent or not the right ones."""
    path = locate(INCEPTION[mode])
    if mode == "clean":
        from cleanfid.inception_torchscript import InceptionV3W

        try:
            network: Any = InceptionV3W(str(path.parent), download=False).eval().to(device)
        except Exception as error:
            raise DataError(f"{path} is not clean-fid's network: {str(error).splitlines()[0]}") from None
        return lambda x: network(x.float())
    return _pytorch_fid(path, device)


def _pytorch_fid(path: Any, device: torch.device) -> Callable[[Tensor], Tensor]:
    """pytorch-fid's network as shipped by clean-fid, without the download that its own builder does."""
    from unittest.mock import patch

    from cleanfid import inception_pytorch

    from invbench import read_state_dict

    weights = read_state_dict(path)
    try:
        with patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_args, **_kw: weights):
            network = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    except RuntimeError as error:
        raise DataError(f"{path} is not pytorch-fid's network: {str(error).splitlines()[0]}") from None
    network.to(device)
    return lambda x: network(x.float() / 255)[0].flatten(1)


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [FID, FIDLegacy, KID]
