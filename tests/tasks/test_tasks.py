"""Every task's operator: the laws, and an independent formula for each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from invbench_tasks.deblur import blur_matrix, gaussian_taps, motion_kernel
from invbench_tasks.super_resolution import bicubic_matrix, bicubic_taps
from PIL import Image, ImageOps
from scipy.linalg import hadamard
from scipy.ndimage import convolve
from torch import Tensor

from invbench import ConfigError, LinearOperator, Rng, Separable, Shape, SVDOperator
from invbench.plugins import load_catalog
from invbench.testing import check_operator

CATALOG = load_catalog()
TASKS = sorted(CATALOG.benchmark("photos").tasks)  # others take an operator of the user's
SHAPE: Shape = (3, 16, 16)
OBLONG: Shape = (3, 16, 32)


def operator(task: str, x_shape: Shape = SHAPE, preset: str = "", **options: Any) -> Any:
    fixed = CATALOG.benchmark(preset).tasks[task] if preset else {}
    return CATALOG.get("task", task)(**{**fixed, **options}).operator(x_shape, Rng.single(task=task, seed=0))


def draw(shape: Shape, batch: int = 2) -> Tensor:
    return Rng.for_images([f"x{i}" for i in range(batch)], seed=0).randn(shape).double()


def psnr(a: Tensor, b: Tensor) -> float:
    return 10 * math.log10(4 / (a - b).square().mean().item())


def zero_padded(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Separable convolution of odd symmetric kernels with zero borders, by conv2d."""
    kernel = torch.outer(rows, cols).to(x)[None, None]
    h, w = kernel.shape[2] // 2, kernel.shape[3] // 2
    return F.conv2d(x.flatten(0, 1)[:, None], kernel, padding=(h, w)).reshape(x.shape)


# The laws.


@pytest.mark.parametrize(("preset", "x_shape"), [("gmm", SHAPE), ("photos", (3, 64, 64)), ("gmm", OBLONG)])
@pytest.mark.parametrize("task", TASKS)
def test_operators_obey_the_laws(task: str, preset: str, x_shape: Shape) -> None:
    tolerance = 1e-5 if task == "deblur_ddrm_tiled" else 1e-9  # that one has float32 factors by definition
    A = operator(task, x_shape, preset)
    check_operator(A, tolerance)
    assert isinstance(A, SVDOperator) == (task not in ("hdr", "phase_retrieval"))


def test_mirrored_motion_obeys_the_laws_and_offers_no_svd() -> None:
    A = operator("deblur_motion", OBLONG, length=5.0, boundary="reflect")
    check_operator(A)
    assert isinstance(A, LinearOperator)
    assert not isinstance(A, SVDOperator)


@pytest.mark.parametrize("task", ["denoise", "inpaint_random"])
def test_plane_points_can_be_measured(task: str) -> None:
    check_operator(operator(task, (1, 1, 2), "gmm2d"))


@pytest.mark.parametrize("preset", sorted(CATALOG.benchmarks))
def test_presets_name_installed_tasks_and_options(preset: str) -> None:
    benchmark = CATALOG.benchmark(preset)
    for task, options in benchmark.tasks.items():
        CATALOG.get("task", task)(**options)
    assert set(benchmark.main_tasks) <= set(benchmark.tasks)


# Independent formulas.


def test_denoise_measures_the_image_itself() -> None:
    x = draw(SHAPE)
    assert torch.equal(operator("denoise")(x), x)


def test_sr4_is_average_pooling_and_its_inverse_replicates() -> None:
    A, x = operator("sr4", OBLONG), draw(OBLONG)
    y = A(x)
    torch.testing.assert_close(y, F.avg_pool2d(x, 4), rtol=0, atol=1e-12)
    torch.testing.assert_close(A.pinv(y), F.interpolate(y, scale_factor=4, mode="nearest"), rtol=0, atol=1e-12)
    assert A.s.unique().tolist() == [0.25]


def test_bicubic_taps_and_singular_values() -> None:
    half = [-0.001709, -0.010986, -0.018311, -0.011963, 0.022705, 0.097412, 0.181885, 0.240967]
    np.testing.assert_allclose(bicubic_taps(4), half + half[::-1], rtol=0, atol=1e-6)
    matrix = bicubic_matrix(256, 4)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    s = torch.linalg.svdvals(matrix)
    assert s.max().item() == pytest.approx(0.5, abs=1e-5)
    assert s.min().item() == pytest.approx(0.34852, abs=1e-5)


def test_bicubic_reduction_is_that_of_pil_inside() -> None:
    """PIL renormalises at the border instead of reflecting, which reaches two output pixels."""
    x = draw((1, 64, 64), 1)
    small = Image.fromarray(x[0, 0].float().numpy()).resize((16, 16), Image.Resampling.BICUBIC)
    inside = slice(2, -2)
    y = operator("sr4_bicubic", (1, 64, 64))(x)[0, 0].numpy()
    np.testing.assert_allclose(y[inside, inside], np.asarray(small)[inside, inside], rtol=0, atol=1e-5)


def test_colorize_is_the_mean_of_the_channels() -> None:
    A, x = operator("colorize", OBLONG), draw(OBLONG)
    y = A(x)
    weights = torch.tensor([0.3333, 0.3334, 0.3333], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(y, (weights * x).sum(1, keepdim=True), rtol=0, atol=1e-7)
    np.testing.assert_allclose(A.s, 0.57735, atol=1e-6)
    torch.testing.assert_close(A.pinv(y), weights * y / weights.square().sum(), rtol=0, atol=1e-6)


def test_inpaint_keeps_the_pixels_outside_the_box_and_its_inverse_zero_fills() -> None:
    A, x = operator("inpaint", OBLONG, box=6), draw(OBLONG)
    mask = torch.ones(16, 32, dtype=torch.bool)
    mask[5:11, 13:19] = False
    y = A(x)
    assert torch.equal(y, x[:, :, mask])
    assert torch.equal(A.pinv(y), x * mask)


def test_inpaint_of_the_paper_misses_the_centre() -> None:
    A = operator("inpaint", (3, 256, 256))
    mask = A.pinv(torch.ones(1, *A.y_shape))[0] == 1
    assert math.prod(A.y_shape) == 147456
    assert not mask[:, 64:192, 64:192].any()
    assert mask.sum() == 147456


def test_a_square_is_missing_somewhere_else_for_another_draw_and_the_same_in_all_channels() -> None:
    def hole(seed: int) -> Tensor:
        A = CATALOG.get("task", "inpaint_anywhere")(box=3).operator((3, 8, 12), Rng.single(seed=seed))
        assert isinstance(A, LinearOperator)
        return A.T(A(torch.ones(1, 3, 8, 12)))[0] == 0

    holes = [hole(seed) for seed in range(6)]
    assert {int(h.sum()) for h in holes} == {27}
    assert len({str(h.nonzero().tolist()) for h in holes}) > 1
    for h in holes:
        assert torch.equal(h[0], h[1])
        rows, cols = h[0].any(1).nonzero(), h[0].any(0).nonzero()
        assert rows.max() - rows.min() == cols.max() - cols.min() == 2


def test_inpaint_random_misses_the_same_share_in_every_channel() -> None:
    A, x = operator("inpaint_random", missing=0.7), draw(SHAPE)
    mask = A.pinv(torch.ones(1, *A.y_shape))[0] == 1
    assert mask.sum().item() == 3 * (256 - round(0.7 * 256))
    assert torch.equal(mask, mask[:1].expand_as(mask))
    assert torch.equal(A(x), x[:, :, mask[0]])


def test_strokes_leave_the_same_pixels_of_every_channel_and_are_as_wide_as_the_brush() -> None:
    A, x = operator("inpaint_strokes", strokes=1, width=5), torch.ones(1, *SHAPE)
    missing = 1 - A.pinv(A(x))[0]
    assert torch.equal(missing[0], missing[1])
    assert torch.equal(missing[0], missing[2])
    area = missing[0].sum().item()
    assert 10 < area <= 8 * 6 + 30, "8 steps of a disc of diameter 5, less what is outside of the image"


@pytest.mark.parametrize("task", ["inpaint_random", "inpaint_strokes", "cs4"])
def test_random_operators_depend_on_the_key_alone(task: str) -> None:
    make = CATALOG.get("task", task)(**CATALOG.benchmark("gmm").tasks[task])
    first, again, other = (make.operator(SHAPE, Rng.single(seed=s))(draw(SHAPE)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cs4_is_a_quarter_of_a_hadamard_transform() -> None:
    A, x = operator("cs4"), draw(SHAPE)
    order = Rng.single(task="cs4", seed=0).permutation(256)[0, :64]
    rows = torch.from_numpy(hadamard(256) / 16.0)[order]
    torch.testing.assert_close(A(x), x.flatten(2) @ rows.T, rtol=0, atol=1e-12)


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


# The mis-ordered blur of the reference codes.


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


# What does not fit.


@pytest.mark.parametrize(
    ("task", "options", "x_shape", "message"),
    [
        ("inpaint", {"box": 16}, SHAPE, "box must be smaller than the image; got box=16 on 16x16"),
        ("inpaint", {"box": 20}, OBLONG, "got box=20 on 16x32"),
        ("inpaint", {"box": 0}, SHAPE, "got box=0"),
        ("inpaint_strokes", {"strokes": 0}, SHAPE, r"strokes and width must be at least 1; got 0, 24"),
        ("inpaint_strokes", {"width": 99}, SHAPE, r"8 strokes 99 wide leave no pixel; take fewer"),
        ("inpaint_random", {"missing": 0.0}, SHAPE, r"must leave some pixels and take some; got 0\.0"),
        ("inpaint_random", {"missing": 1.0}, SHAPE, r"must leave some pixels and take some; got 1\.0"),
        ("inpaint_random", {"missing": -0.5}, SHAPE, r"must leave some pixels and take some; got -0\.5"),
        ("sr4", {"factor": 5}, SHAPE, "divisible by the factor 5; got 16x16"),
        ("sr4_bicubic", {"factor": 3}, OBLONG, "divisible by factor=3; got 16x32"),
        ("sr4_bicubic", {"factor": 0}, SHAPE, "divisible by factor=0"),
        ("cs4", {}, (3, 12, 16), "power of two of pixels; got 12x16 = 192"),
        ("cs4", {"ratio": 0}, SHAPE, "ratio must be between 1 and the number of pixels 256; got 0"),
        ("cs4", {"ratio": 257}, SHAPE, "got 257"),
        ("colorize", {}, (1, 16, 16), "one weight per channel: expected 1, got 3"),
        ("deblur", {"std": 0.0}, SHAPE, "std > 0 and an odd number of taps; got std=0.0"),
        ("deblur", {"taps": 60}, SHAPE, "an odd number of taps; got std=3.0, taps=60"),
        ("deblur_aniso", {"std_cols": -1.0}, SHAPE, r"std > 0.*got std=-1\.0"),
        ("deblur_uniform", {"taps": 0}, SHAPE, "taps"),
        ("deblur_uniform", {"taps": 4}, SHAPE, "taps"),
        ("deblur_motion", {"boundary": "zero"}, SHAPE, "boundary must be one of circular, reflect; got 'zero'"),
        ("deblur_motion", {"length": 0.5}, SHAPE, r"length must be at least 1 pixel; got 0\.5"),
        ("deblur_motion", {"length": 40.0}, SHAPE, "kernel 41x41 is larger than the image 16x16"),
        ("deblur_motion", {"length": 40.0, "boundary": "reflect"}, SHAPE, "got 41x41 on 16x16"),
    ],
)
def test_parameters_that_do_not_fit_the_image_are_refused(
    task: str, options: dict[str, Any], x_shape: Shape, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        operator(task, x_shape, **options)
