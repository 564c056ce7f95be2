"""Phase retrieval: the magnitude of a padded Fourier transform, and what it hides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nonlinear import CATALOG, draw, each_shape, operator

import invbench as ib


def padded(x: np.ndarray) -> np.ndarray:
    """A quarter of each side in zeros, before and after it."""
    rows, cols = x.shape[2] // 4, x.shape[3] // 4
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (cols, cols)))


def magnitudes(x: np.ndarray) -> np.ndarray:
    """The centred orthonormal FFT, its magnitude."""
    axes = (2, 3)
    spectrum = np.fft.fft2(np.fft.ifftshift(padded(x), axes), axes=axes, norm="ortho")
    return np.abs(np.fft.fftshift(spectrum, axes))


@each_shape
def test_phase_retrieval_is_numpys_centred_fourier_magnitude(x_shape: ib.Shape) -> None:
    A, x = operator("phase_retrieval", x_shape), draw(x_shape)
    expected = magnitudes(x.numpy())
    assert A.y_shape == expected.shape[1:]
    np.testing.assert_allclose(A(x), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(A(x.float()), expected, rtol=0, atol=1e-5)


def test_phase_retrieval_is_the_sum_over_pixels() -> None:
    """The definition, with no FFT: frequency (u, v) stands at (u + h // 2, v + w // 2)."""
    A, x = operator("phase_retrieval", (1, 4, 8)), draw((1, 4, 8), 1)
    h, w = 6, 12
    assert A.y_shape == (1, h, w)
    for u, v in [(0, 0), (1, -2), (-3, 5)]:
        total = sum(
            float(x[0, 0, i, j]) * np.exp(-2j * math.pi * (u * i / h + v * j / w)) for i in range(4) for j in range(8)
        )
        assert A(x)[0, 0, u + h // 2, v + w // 2].item() == pytest.approx(abs(total) / math.sqrt(h * w), abs=1e-12)


def test_phase_retrieval_of_the_paper_measures_384_by_384() -> None:
    options = CATALOG.benchmark("ffhq256").tasks["phase_retrieval"]
    assert operator("phase_retrieval", (3, 256, 256), **options).y_shape == (3, 384, 384)


@pytest.mark.parametrize(("oversample", "side"), [(0.5, 18), (1.9, 22), (4.0, 32), (8.0, 48)])
def test_each_side_is_padded_by_an_eighth_of_oversample(oversample: float, side: int) -> None:
    assert operator("phase_retrieval", oversample=oversample).y_shape == (3, side, side)


@each_shape
def test_the_initial_estimate_is_the_cropped_magnitude_of_the_inverse_transform(x_shape: ib.Shape) -> None:
    """White is the limit: the centre of that image is the sum of y over the square root of its size, far above 1."""
    A = operator("phase_retrieval", x_shape)
    y = A(draw(x_shape)) + 0.05 * ib.Rng.for_images(["n0", "n1"]).randn(A.y_shape).double()
    axes = (2, 3)
    full = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y.numpy(), axes), axes=axes, norm="ortho"), axes)
    rows, cols = x_shape[1] // 4, x_shape[2] // 4
    image = np.abs(full)[:, :, rows : rows + x_shape[1], cols : cols + x_shape[2]]
    assert image.max() > 1
    np.testing.assert_allclose(A.guess(y), image.clip(max=1), rtol=0, atol=1e-12)


def test_magnitudes_keep_the_energy() -> None:
    x = draw((3, 8, 20))
    y = operator("phase_retrieval", (3, 8, 20))(x)
    torch.testing.assert_close(y.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)))


@each_shape
def test_phases_hide_sign_half_turn_and_shift(x_shape: ib.Shape) -> None:
    A, x = operator("phase_retrieval", x_shape), draw(x_shape)
    x[:, :, -2:] = 0
    x[:, :, :, -3:] = 0  # room to shift into
    for twin in (-x, x.flip(2, 3), x.roll((2, 3), (2, 3))):
        assert not torch.equal(twin, x)
        torch.testing.assert_close(A(twin), A(x), rtol=0, atol=1e-12)
    assert (A(x.flip(2)) - A(x)).abs().max() > 0.1, "a flip of one axis is another image"
