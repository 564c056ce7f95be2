"""Realism: how far the set of reconstructions is from the set of truths, whichever belongs to which."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import Artifact, DataError, Measurement, Metric, SetMetric, hookimpl, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from torch import Tensor

PATCH, PATCHES, DIRECTIONS, COARSEST = 7, 32, 64, 16  # of the sliced Wasserstein distance
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


class PatchWasserstein(SetMetric):
    """Sliced Wasserstein distance of patches on the levels of a Laplacian pyramid (Karras et al., 2018).

    W1 along 64 fixed directions of 32 patches of 7x7 pixels a level, at fixed places, in standard deviations of the
    truths' projections; a mean over directions and over levels down to 16 pixels. The reconstruction is clipped.
    """

    name: ClassVar[str] = "swd"
    order: ClassVar[int] = 40
    summary: ClassVar[str] = "sliced Wasserstein distance of image patches; needs no weights"
    protocol: ClassVar[str] = "swd/laplacian/7x7/w1/64-directions/clip[-1,1]/float"
    unit: ClassVar[str] = "std"
    higher_is_better: ClassVar[bool] = False

    def unavailable(self, measurement: Measurement) -> str | None:
        small = min(measurement.A.x_shape[1:]) < COARSEST
        return f"images must be at least {COARSEST}x{COARSEST} pixels" if small else None

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        """Projections of patches, (B, levels, patches, directions)."""
        import torch

        from invbench import Rng

        rng, levels = Rng.single(purpose="swd"), []
        for level in laplacian_pyramid(x_hat.clamp(-1, 1)):
            top, left = (rng.integers(side - PATCH + 1, (PATCHES,))[0].tolist() for side in level.shape[2:])
            patches = [level[..., i : i + PATCH, j : j + PATCH].flatten(1) for i, j in zip(top, left, strict=True)]
            directions = rng.randn((patches[0].shape[1], DIRECTIONS))[0]
            levels.append(torch.stack(patches, 1).float() @ (directions / directions.norm(dim=0)).to(level.device))
        return torch.stack(levels, 1)

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        a, b = (z.transpose(0, 1).flatten(1, 2) for z in (truth, restored))  # (levels, n patches, directions)
        apart = (a.sort(1).values - b.sort(1).values).abs().mean(1)
        return float((apart / a.std(1).clamp(min=1e-6)).mean())

    def distances(self, truth: Tensor, restored: Tensor, picks: Tensor) -> list[float]:
        """W1 is the area between two distribution functions: values are sorted once, and resamples weigh images."""
        import torch

        n, patches = len(truth), truth.shape[2]
        a, b = (z.permute(1, 3, 0, 2).flatten(2) for z in (truth, restored))  # (levels, directions, n patches)
        values, order = torch.cat([a, b], 2).sort(2)
        gaps, owner = values.diff(dim=2), (order // patches).flatten()  # of 2 n images, the truths first
        weights = _counts(picks, n).to(a)
        with _one_thread():
            signed = torch.cat([weights, -weights], 1)
            areas = torch.stack([_area(each.index_select(0, owner).view_as(values), gaps) for each in signed])
        squares, sums = (z.unflatten(2, (n, patches)).double().sum(3) @ weights.double().T for z in (a.square(), a))
        variance = (squares - sums**2 / (n * patches)) / (n * patches - 1)  # (levels, directions, resamples)
        std = variance.clamp(min=0).sqrt().clamp(min=1e-6).permute(2, 0, 1)
        return (areas.double() / (n * patches) / std).mean((1, 2)).tolist()


def _area(steps: Tensor, gaps: Tensor) -> Tensor:
    """Under the absolute value of a function of these steps: (levels, directions, values) -> (levels, directions)."""
    return steps.cumsum_(2)[..., :-1].abs_().mul_(gaps).sum(2)


def _counts(picks: Tensor, n: int) -> Tensor:
    """How often each resample (resamples, n) holds each of n images: (resamples, n)."""
    import torch

    return torch.zeros_like(picks).scatter_add_(1, picks, torch.ones_like(picks)).to(torch.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many short calls: threads of torch wait for each other longer than they work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def laplacian_pyramid(x: Tensor) -> list[Tensor]:
    """Band-pass levels of (B, C, H, W) and the low-pass rest of at least 16 pixels, by a binomial filter of 5 taps."""
    import torch.nn.functional as F

    taps = x.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 5, 5)
    levels = []
    while min(x.shape[2:]) >= 2 * COARSEST:
        low = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])[..., ::2, ::2]
        levels.append(x - F.interpolate(low, size=x.shape[2:], mode="bilinear", align_corners=False))
        x = low
    return [*levels, x]


class InceptionMetric(SetMetric):
    """A distance of Inception features by clean-fid's network and resizing, on images of eight bits.

    ``added`` before the fraction is cut off: a half rounds; next to nothing leaves images of eight bits as they are.
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
        """From products of all pairs of features, made once: a resample weighs their rows and columns."""
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
    """Fréchet distance as pytorch-fid has it, which the paper used, on images that are cut to eight bits as it did."""

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
        """From the kernels of all pairs, made once: a resample weighs their rows and columns."""
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
    """Inner products (n, n) of features less their means, where row i counts w_i times; rows and columns by sqrt(w)."""
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
    """(B, 3, 299, 299) in [0, 255] -> (B, 2048). Raises DataError where the weights are absent or others."""
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
    """pytorch-fid's network as clean-fid ships it, whose builder would download the file that is here."""
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
    return [PatchWasserstein, FID, FIDLegacy, KID]
