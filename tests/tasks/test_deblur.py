"""Blurs: their taps, borders, truncation, and the recipe of the reference codes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from invbench_tasks.deblur import blur_matrix, gaussian_taps, motion_kernel
from operating import OBLONG, SHAPE, draw, operator
from PIL import Image, ImageOps
from scipy.ndimage import convolve
from torch import Tensor

from invbench import LinearOperator, Separable, Shape, SVDOperator
from invbench.testing import check_operator


def psnr(a: Tensor, b: Tensor) -> float:
    return 10 * math.log10(4 / (a - b).square().mean().item())


def zero_padded(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Separable convolution of odd symmetric kernels with zero borders, by conv2d."""
    kernel = torch.outer(rows, cols).to(x)[None, None]
    h, w = kernel.shape[2] // 2, kernel.shape[3] // 2
    return F.conv2d(x.flatten(0, 1)[:, None], kernel, padding=(h, w)).reshape(x.shape)


def test_mirrored_motion_obeys_the_laws_and_offers_no_svd() -> None:
    A = operator("deblur_motion", OBLONG, length=5.0, boundary="reflect")
    check_operator(A)
    assert isinstance(A, LinearOperator)
    assert not isinstance(A, SVDOperator)


def test_the_gaussian_blur_of_the_paper() -> None:
    matrix = blur_matrix(256, gaussian_taps(3.0, 61))
    s = torch.linalg.svdvals(matrix)
    assert (s >= 0.03).sum() == 73
    np.testing.assert_allclose(s[:4], [0.9993, 0.9974, 0.9941, 0.9895], atol=5e-5)
    assert matrix[0].sum().item() == pytest.approx(0.5665, abs=5e-5)
    assert matrix[128].sum().item() == pytest.approx(1)
    assert (operator("deblur", (3, 256, 256)).s > 0).sum() == 3 * 73**2


@pytest.mark.parametrize("x_shape", [SHAPE, OBLONG])
def test_deblur_without_truncation_is_a_zero_padded_convolution(x_shape: Shape) -> None:
    x, taps = draw(x_shape), gaussian_taps(1.5, 31)
    A = operator("deblur", x_shape, std=1.5, taps=31, threshold=0.0)
    torch.testing.assert_close(A(x), zero_padded(x, taps, taps), rtol=0, atol=1e-6)


def test_uniform_and_anisotropic_blur_without_truncation_are_zero_padded_convolutions() -> None:
    x, box = draw(OBLONG), torch.full((5,), 0.2)
    A = operator("deblur_uniform", OBLONG, taps=5, threshold=0.0)
    torch.testing.assert_close(A(x), zero_padded(x, box, box), rtol=0, atol=1e-6)
    B = operator("deblur_aniso", OBLONG, std_rows=0.5, std_cols=4.0, taps=9, threshold=0.0)
    expected = zero_padded(x, gaussian_taps(0.5, 9), gaussian_taps(4.0, 9))
    torch.testing.assert_close(B(x), expected, rtol=0, atol=1e-6)


def test_gaussian_taps_follow_the_formula() -> None:
    taps = gaussian_taps(2.0, 5)
    weights = [math.exp(-(i**2) / 8) for i in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(taps, np.array(weights) / sum(weights), rtol=1e-14)


@pytest.mark.parametrize(("boundary", "mode"), [("circular", "wrap"), ("reflect", "mirror")])
def test_motion_blur_is_a_convolution_with_the_declared_border(boundary: str, mode: str) -> None:
    x, kernel = draw(OBLONG), motion_kernel(7.0, 30.0).double().numpy()
    A = operator("deblur_motion", OBLONG, length=7.0, boundary=boundary)
    expected = [[convolve(plane, kernel, mode=mode) for plane in image] for image in x.numpy()]
    np.testing.assert_allclose(A(x), expected, rtol=0, atol=1e-6)


def test_motion_kernels_are_centred_lines() -> None:
    line = motion_kernel(5.0, 0.0)
    assert line.sum().item() == pytest.approx(1, abs=1e-6)
    assert line[len(line) // 2].sum().item() == pytest.approx(1, abs=1e-6)  # horizontal: the middle row alone
    torch.testing.assert_close(motion_kernel(5.0, 90.0), line.T, rtol=0, atol=1e-6)
    slanted = motion_kernel(7.0, 30.0)
    torch.testing.assert_close(slanted, slanted.flip(0, 1), rtol=0, atol=1e-6)
    row, col = divmod(int(slanted[:4].flatten().argmax()), slanted.shape[1])
    assert row < 4 or col == 4  # the centre is in the fifth row
    assert slanted[2, 6] > slanted[2, 2]  # 30 degrees rise to the right
    assert motion_kernel(1.0, 30.0).max().item() == pytest.approx(1)


def photograph(name: str) -> Tensor:
    image = Image.fromarray(getattr(skimage.data, name)())
    side = min(image.size)
    image = ImageOps.fit(image, (side, side)).resize((256, 256), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image) / 127.5 - 1).permute(2, 0, 1)[None]


def test_tiled_blur_follows_the_reference_recipe() -> None:
    """Sorted values of one channel tiled over coefficients that run channel-fastest, written out."""
    side, x = 32, draw((3, 32, 32), 1)
    taps = gaussian_taps(1.5, 31)
    taps[-1] = 0
    U, S, Vh = torch.linalg.svd(blur_matrix(side, taps).float())
    S[S < 0.03] = 0
    values, rank = torch.outer(S, S).flatten().sort(descending=True, stable=True)
    U, V = U.double(), Vh.double().T
    coefs = torch.stack([(V.T @ plane @ V).flatten()[rank] for plane in x[0]], dim=1).flatten()  # 3 p + c
    scaled = (values.double().repeat(3) * coefs).reshape(-1, 3)
    planes = torch.zeros(3, side * side, dtype=torch.float64)
    planes[:, rank] = scaled.T
    expected = U @ planes.reshape(3, side, side) @ U.T
    A = operator("deblur_ddrm_tiled", (3, side, side), std=1.5, taps=31)
    torch.testing.assert_close(A(x)[0], expected, rtol=0, atol=1e-5)  # float32 factors


def test_tiled_blur_of_the_paper_keeps_the_reference_coefficients() -> None:
    A = operator("deblur_ddrm_tiled", (3, 256, 256))
    assert isinstance(A, Separable)
    reference = torch.empty_like(A.s)
    reference[A.order] = A.s
    nonzero = reference.nonzero()[:, 0]
    assert len(nonzero) == 15987
    assert nonzero[0] == 0
    assert nonzero[-1] == 136400


@pytest.mark.parametrize(("name", "wide", "nominal"), [("astronaut", 45, 27), ("chelsea", 51, 32)])
def test_tiled_blur_of_the_paper_is_nearly_a_wider_gaussian(name: str, wide: float, nominal: float) -> None:
    """Some 20 dB nearer to std 3 sqrt(3) than to its nominal 3; both numbers fall with an image's fine detail."""
    x, inside = photograph(name), (..., slice(30, -30), slice(30, -30))
    y = operator("deblur_ddrm_tiled", (3, 256, 256))(x)[inside]

    def blurred(std: float) -> Tensor:
        matrix = blur_matrix(256, gaussian_taps(std, 61))
        return (matrix @ x @ matrix.T)[inside]

    assert psnr(y, blurred(3 * math.sqrt(3))) > wide
    assert psnr(y, blurred(3.0)) < nominal
