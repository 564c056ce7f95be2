"""Operators whose measurements are complex, as of a plugin for magnetic resonance."""

from __future__ import annotations

import torch
from torch import Tensor

import invbench as ib
from invbench import LinearOperator, Shape, SVDOperator


class Fourier(LinearOperator):
    """y = the orthonormal 2-D Fourier transform of every channel, all of it: more real numbers than x has."""

    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x, norm="ortho")


class HalfFourier(Fourier):
    """The even rows of it, with the transpose in closed form."""

    def __init__(self, x_shape: Shape) -> None:
        C, H, W = x_shape
        self.x_shape, self.y_shape = x_shape, (C, H // 2, W)

    def _A(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x, norm="ortho")[..., ::2, :]

    def _At(self, y: Tensor) -> Tensor:
        full = y.new_zeros((len(y), *self.x_shape))
        full[..., ::2, :] = y
        return torch.fft.ifft2(full, norm="ortho").real


class Pairs(SVDOperator):
    """Block means in pairs, the second of each as imaginary part: complex, and with a singular value decomposition."""

    def __init__(self, x_shape: Shape, factor: int = 4) -> None:
        self.inner = ib.BlockMean(x_shape, factor)
        C, h, w = self.inner.y_shape
        self.x_shape, self.y_shape, self.s = x_shape, (C, h, w // 2), self.inner.s

    def U(self, z: Tensor) -> Tensor:
        return torch.view_as_complex(z.reshape(len(z), *self.y_shape, 2).contiguous())

    def Ut(self, y: Tensor) -> Tensor:
        return torch.view_as_real(y).flatten(1)

    def V(self, w: Tensor) -> Tensor:
        return self.inner.V(w)

    def Vt(self, x: Tensor) -> Tensor:
        return self.inner.Vt(x)
