"""Linear operators with a fast singular value decomposition, as building blocks for tasks.

Coefficient vectors are flat, (B, n). Where an operator acts alike on every channel the coefficients run
rank by rank with the channel fastest, so that ``s`` is descending.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from invbench.errors import ConfigError
from invbench.operator import LinearOperator, Shape, SVDOperator


class Identity(SVDOperator):
    """H = I."""

    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape
        self.s = torch.ones(math.prod(x_shape))

    def U(self, z: Tensor) -> Tensor:
        return z.reshape(-1, *self.y_shape)

    def Ut(self, y: Tensor) -> Tensor:
        return y.flatten(1)

    def V(self, w: Tensor) -> Tensor:
        return w.reshape(-1, *self.x_shape)

    def Vt(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Selection(SVDOperator):
    """Keep some pixels of every channel: y (C, k), in the order of ``keep``, flat pixel indices (k,)."""

    def __init__(self, x_shape: Shape, keep: Tensor) -> None:
        C, H, W = x_shape
        self.x_shape, self.y_shape = x_shape, (C, len(keep))
        missing = torch.ones(H * W, dtype=torch.bool)
        missing[keep] = False
        self.order = torch.cat([keep, missing.nonzero()[:, 0]])
        self.inverse = self.order.argsort()
        self.s = torch.ones(C * len(keep))

    def U(self, z: Tensor) -> Tensor:
        return _channels_first(z, self.y_shape[0])

    def Ut(self, y: Tensor) -> Tensor:
        return y.transpose(1, 2).flatten(1)

    def V(self, w: Tensor) -> Tensor:
        return _channels_first(w, self.x_shape[0])[:, :, self.inverse].reshape(-1, *self.x_shape)

    def Vt(self, x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, self.order].transpose(1, 2).flatten(1)


class ChannelMix(SVDOperator):
    """One weighted sum of the channels per pixel: x (C, H, W) -> y (1, H, W)."""

    def __init__(self, x_shape: Shape, weights: Tensor) -> None:
        C, H, W = x_shape
        if len(weights) != C:
            raise ConfigError(f"one weight per channel: expected {C}, got {len(weights)}")
        self.x_shape, self.y_shape = x_shape, (1, H, W)
        _, s, self.basis = torch.linalg.svd(weights.double()[None])  # rows: direction, then its complement
        self.sign = (self.basis[0] @ weights.double()).sign()
        self.s = s.float().expand(H * W)

    def U(self, z: Tensor) -> Tensor:
        return self.sign.to(z.dtype) * z.reshape(-1, *self.y_shape)

    def Ut(self, y: Tensor) -> Tensor:
        return self.sign.to(y.dtype) * y.flatten(1)

    def V(self, w: Tensor) -> Tensor:
        planes = w.reshape(-1, *self.x_shape)
        return torch.einsum("dc,bdhw->bchw", self.basis.to(w.dtype), planes)

    def Vt(self, x: Tensor) -> Tensor:
        return torch.einsum("dc,bchw->bdhw", self.basis.to(x.dtype), x).flatten(1)


class BlockMean(SVDOperator):
    """Mean of every f x f block: s = 1/f, V a block-wise cosine transform whose first basis function is constant."""

    def __init__(self, x_shape: Shape, factor: int) -> None:
        C, H, W = x_shape
        if factor < 1 or H % factor or W % factor:
            raise ConfigError(f"image sides must be divisible by the factor {factor}; got {H}x{W}")
        self.x_shape, self.y_shape, self.f = x_shape, (C, H // factor, W // factor), factor
        self.dct = _dct(factor)
        self.s = torch.full((math.prod(self.y_shape),), 1 / factor)

    def U(self, z: Tensor) -> Tensor:
        return z.reshape(-1, *self.y_shape)

    def Ut(self, y: Tensor) -> Tensor:
        return y.flatten(1)

    def V(self, w: Tensor) -> Tensor:
        f, D, (C, h, v) = self.f, self.dct.to(w.dtype), self.y_shape
        blocks = w.reshape(-1, f, f, C, h, v).permute(0, 3, 4, 5, 1, 2)  # (B, C, h, v, f, f)
        return (D.T @ blocks @ D).transpose(3, 4).reshape(-1, *self.x_shape)

    def Vt(self, x: Tensor) -> Tensor:
        f, D, (C, h, v) = self.f, self.dct.to(x.dtype), self.y_shape
        blocks = x.reshape(-1, C, h, f, v, f).transpose(3, 4)
        return (D @ blocks @ D.T).permute(0, 4, 5, 1, 2, 3).flatten(1)


class Separable(SVDOperator):
    """x -> R x C^T on every channel, from two small dense matrices R (h, H) and C (w, W).

    Singular values below ``threshold`` become zero, in H itself as well as in its inverse. With
    ``tiled=True`` the sorted singular values of one channel are repeated channel by channel although the
    coefficients run channel-fastest: the operator that the reference codes of DDRM, DDNM and DAVI compute.
    """

    def __init__(self, x_shape: Shape, rows: Tensor, cols: Tensor, threshold: float = 0.0, tiled: bool = False) -> None:
        C, H, W = x_shape
        (h, _), (w, _) = rows.shape, cols.shape
        self.x_shape, self.y_shape = x_shape, (C, h, w)
        self.Ur, sr, self.Vr = _svd(rows, threshold)
        self.Uc, sc, self.Vc = _svd(cols, threshold)

        if not (sr.any() and sc.any()):
            raise ConfigError(f"a threshold of {threshold:g} sets every singular value to zero; choose a smaller one")
        grid = torch.outer(sr, sc)  # (h, w), padded with the null space to (H, W) below
        rank = grid.flatten().sort(descending=True, stable=True)
        self.rank_y = rank.indices
        at_x = (rank.indices // w) * W + rank.indices % w
        null = torch.ones(H * W, dtype=torch.bool)
        null[at_x] = False
        rank_x = torch.cat([at_x, null.nonzero()[:, 0]])

        s = rank.values.repeat(C) if tiled else rank.values.repeat_interleave(C)
        s, self.order = s.sort(descending=True, stable=True)  # the identity unless tiled
        self.s = s.float()
        rest = torch.arange(len(s), C * H * W)
        # flat coefficient k of x lies at pixel-major, channel-fastest position ``at[k]`` of the transformed image
        at = (rank_x[:, None] * C + torch.arange(C)).flatten()
        self.at_x = at[torch.cat([self.order, rest])]
        self.at_y = (self.rank_y[:, None] * C + torch.arange(C)).flatten()[self.order]

    def U(self, z: Tensor) -> Tensor:
        return self._from(z, self.at_y, self.y_shape, self.Ur, self.Uc)

    def Ut(self, y: Tensor) -> Tensor:
        return self._to(y, self.at_y, self.Ur, self.Uc)

    def V(self, w: Tensor) -> Tensor:
        return self._from(w, self.at_x, self.x_shape, self.Vr, self.Vc)

    def Vt(self, x: Tensor) -> Tensor:
        return self._to(x, self.at_x, self.Vr, self.Vc)

    def _to(self, x: Tensor, at: Tensor, left: Tensor, right: Tensor) -> Tensor:
        coefs = left.to(x.dtype).T @ x @ right.to(x.dtype)
        return coefs.permute(0, 2, 3, 1).flatten(1)[:, at]

    def _from(self, w: Tensor, at: Tensor, shape: Shape, left: Tensor, right: Tensor) -> Tensor:
        C, H, W = shape
        flat = torch.empty_like(w)
        flat[:, at] = w
        return left.to(w.dtype) @ flat.reshape(-1, H, W, C).permute(0, 3, 1, 2) @ right.to(w.dtype).T


class Circular(SVDOperator):
    """Convolution with periodic boundary, any kernel (kh, kw) centred at (kh // 2, kw // 2).

    With the transfer function h = |h| e^{i theta}: V is the Hartley basis, which makes every even real
    symbol diagonal (|h| is one), and U = V followed by the all-pass filter e^{i theta}.
    """

    def __init__(self, x_shape: Shape, kernel: Tensor) -> None:
        C, H, W = x_shape
        kh, kw = kernel.shape
        if kh > H or kw > W:
            raise ConfigError(f"kernel {kh}x{kw} is larger than the image {H}x{W}; choose a smaller kernel")
        self.x_shape = self.y_shape = x_shape
        psf = torch.zeros(H, W, dtype=torch.float64)
        psf[:kh, :kw] = kernel.double()
        h = torch.fft.fft2(psf.roll((-(kh // 2), -(kw // 2)), dims=(0, 1)))
        gain = h.abs()
        gain = gain.where(gain > 1e-12 * gain.max(), gain.new_zeros(()))
        phase = torch.where(gain > 0, h / gain, torch.ones_like(h))
        self.phase = phase[:, : W // 2 + 1]  # real signals need half of it
        s, rank = gain.flatten().sort(descending=True, stable=True)
        self.s = s.repeat_interleave(C).float()
        self.rank, self.inverse = rank, rank.argsort()

    def U(self, z: Tensor) -> Tensor:
        return self._all_pass(self.V(z), self.phase)

    def Ut(self, y: Tensor) -> Tensor:
        return self.Vt(self._all_pass(y, self.phase.conj()))

    def V(self, w: Tensor) -> Tensor:
        planes = _channels_first(w, self.x_shape[0])[:, :, self.inverse]
        return _hartley(planes.reshape(-1, *self.x_shape))

    def Vt(self, x: Tensor) -> Tensor:
        return _hartley(x).flatten(2)[:, :, self.rank].transpose(1, 2).flatten(1)

    def guess(self, y: Tensor) -> Tensor:
        return self.ridge(y, 1e-3)  # s comes as near to 0 as it likes, and H^+ enlarges noise by 1 / s

    def _all_pass(self, x: Tensor, phase: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x)
        return torch.fft.irfft2(spectrum * phase.to(spectrum.dtype), s=x.shape[-2:])


class Convolution(LinearOperator):
    """Convolution with mirrored boundary, any kernel of odd sides; no fast SVD exists for it."""

    def __init__(self, x_shape: Shape, kernel: Tensor) -> None:
        _, H, W = x_shape
        kh, kw = kernel.shape
        if kh // 2 >= H or kw // 2 >= W or kh % 2 == 0 or kw % 2 == 0:
            raise ConfigError(f"expected a kernel of odd sides, at most twice the image; got {kh}x{kw} on {H}x{W}")
        self.x_shape = self.y_shape = x_shape
        self.kernel = kernel.flip(0, 1)  # conv2d correlates

    def _A(self, x: Tensor) -> Tensor:
        kh, kw = self.kernel.shape
        planes = x.reshape(-1, 1, *self.x_shape[1:])
        padded = F.pad(planes, (kw // 2, kw // 2, kh // 2, kh // 2), mode="reflect")
        return F.conv2d(padded, self.kernel.to(x.dtype)[None, None]).reshape(x.shape)


class Hadamard(SVDOperator):
    """Compressed sensing: chosen coefficients of an orthonormal fast Walsh-Hadamard transform, y (C, k)."""

    def __init__(self, x_shape: Shape, order: Tensor, k: int) -> None:
        C, H, W = x_shape
        pixels = H * W
        if pixels & (pixels - 1):
            raise ConfigError(f"a Walsh-Hadamard transform needs a power of two of pixels; got {H}x{W} = {pixels}")
        self.x_shape, self.y_shape = x_shape, (C, k)
        self.order, self.inverse = order, order.argsort()
        self.s = torch.ones(C * k)

    def U(self, z: Tensor) -> Tensor:
        return _channels_first(z, self.y_shape[0])

    def Ut(self, y: Tensor) -> Tensor:
        return y.transpose(1, 2).flatten(1)

    def V(self, w: Tensor) -> Tensor:
        coefs = _channels_first(w, self.x_shape[0])[:, :, self.inverse]
        return _hadamard(coefs).reshape(-1, *self.x_shape)

    def Vt(self, x: Tensor) -> Tensor:
        return _hadamard(x.flatten(2))[:, :, self.order].transpose(1, 2).flatten(1)


def _channels_first(w: Tensor, channels: int) -> Tensor:
    """(B, p * C), channel fastest -> (B, C, p)."""
    return w.reshape(len(w), -1, channels).transpose(1, 2)


def _dct(n: int) -> Tensor:
    """Orthonormal DCT-II, (frequency, position), float64."""
    k, i = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    D = math.sqrt(2 / n) * torch.cos(math.pi / n * k * (i + 0.5))
    D[0] /= math.sqrt(2)
    return D


def _svd(matrix: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """U (m, m), s (m,) with small values set to zero, V (n, n) of an m x n matrix, m <= n."""
    U, s, Vh = torch.linalg.svd(matrix, full_matrices=True)
    return U, s.where(s >= threshold, s.new_zeros(())), Vh.T


def _hartley(x: Tensor) -> Tensor:
    """Orthonormal 2-D Hartley transform over the last two axes; its own inverse."""
    f = torch.fft.fft2(x, norm="ortho")
    return f.real - f.imag


def _hadamard(x: Tensor) -> Tensor:
    """Orthonormal fast Walsh-Hadamard transform over the last axis (a power of two); its own inverse."""
    shape, n, half = x.shape, x.shape[-1], 1
    while half < n:
        a, b = x.reshape(*shape[:-1], -1, 2, half).unbind(-2)
        x = torch.stack([a + b, a - b], dim=-2)
        half *= 2
    return x.reshape(shape) / math.sqrt(n)
