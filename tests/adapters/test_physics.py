"""Physics of deepinv as operators and back, against deepinv itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import invbench as ib
from invbench.testing import check_operator

deepinv = pytest.importorskip("deepinv", reason="needs the extra deepinv")
P = deepinv.physics
COLOUR, COMPLEX, GREY = (3, 16, 16), (2, 16, 16), (1, 16, 16)
ROWS = (torch.arange(16) % 2 == 0).float()[:, None].expand(16, 16)  # of k-space, that are sampled
KERNEL = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
EXACT = 1e-6  # what is computed in float32 inside; faults are near 1

LINEAR: dict[str, tuple[Callable[[], Any], ib.Shape, bool]] = {  # and whether its decomposition is taken
    "mri": (lambda: P.MRI(mask=ROWS), COMPLEX, True),
    "coils": (lambda: P.MultiCoilMRI(mask=ROWS, coil_maps=torch.ones(3, 16, 16) * (1 + 1j)), COMPLEX, False),
    "tomography": (lambda: P.Tomography(angles=9, img_width=16, normalize=True), GREY, False),
    "inpainting": (lambda: P.Inpainting(img_size=COLOUR, mask=0.5, rng=torch.Generator().manual_seed(0)), COLOUR, True),
    "denoising": (lambda: P.Denoising(), COLOUR, True),
    "blur": (lambda: P.Blur(filter=KERNEL, padding="circular"), COLOUR, False),
    "fourier": (lambda: P.BlurFFT(img_size=COLOUR, filter=KERNEL), COLOUR, False),
    "smaller": (lambda: P.Downsampling(img_size=COLOUR, factor=2, filter="bicubic"), COLOUR, False),
    "grey": (lambda: P.Decolorize(), COLOUR, False),
}


def draw(shape: ib.Shape, use: str = "x") -> torch.Tensor:
    return ib.Rng.for_images(["a", "b"], use=use).randn(shape)


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_physics_measures_and_transposes_as_there(name: str) -> None:
    make, x_shape, svd = LINEAR[name]
    physics, x = make(), draw(x_shape)
    A = ib.from_physics(physics, x_shape)
    assert isinstance(A, ib.LinearOperator)
    assert isinstance(A, ib.SVDOperator) == svd
    check_operator(A, EXACT)
    torch.testing.assert_close(A(x), physics.A(x))
    torch.testing.assert_close(A.T(physics.A(x)), physics.A_adjoint(physics.A(x)))
    y = draw(A.y_shape, "y")
    torch.testing.assert_close(
        A.ridge(y, 0.5), physics.prox_l2(0 * x, y, 2.0, tol=1e-6, max_iter=200), atol=1e-4, rtol=0
    )
    with torch.inference_mode():
        assert A.T(A(x)).shape == x.shape
    torch.testing.assert_close(copy.deepcopy(A)(x), A(x))


def test_a_nonlinear_physics_acts_on_images_in_0_1() -> None:
    physics = P.Physics(A=lambda u, **_: u.sqrt())
    A = ib.from_physics(physics, COLOUR)
    assert not isinstance(A, ib.LinearOperator)
    torch.testing.assert_close(A(torch.full((1, *COLOUR), -0.5)), torch.full((1, *COLOUR), 0.5))


@pytest.mark.parametrize(
    ("physics", "message"),
    [
        (lambda: P.MRI(mask=torch.ones(8, 8)), "physics of a tensor .* raised RuntimeError"),
        (lambda: P.Tomography(angles=9, img_width=16, normalize=True, adjoint_via_backprop=False), "not its transpose"),
        (lambda: P.Denoising().stack(P.Denoising()), "expected a tensor .*; got TensorList"),
        (lambda: torch.nn.Identity(), "expected a deepinv.physics.Physics; got Identity"),
    ],
)
def test_physics_that_are_no_operators_are_refused(physics: Callable[[], Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        ib.from_physics(physics(), GREY if "Tomography" in message else COMPLEX)


@pytest.mark.parametrize("A", [ib.BlockMean(COLOUR, 4), ib.Convolution(COLOUR, KERNEL[0, 0])], ids=["svd", "linear"])
def test_a_linear_operator_is_a_physics_on_images_in_0_1(A: ib.LinearOperator) -> None:
    physics, x = ib.to_physics(A, 0.2), draw(COLOUR)
    y, u = A(x), (x + 1) / 2
    torch.testing.assert_close(physics.A(u), ib.unit_measurement(y, A), atol=1e-5, rtol=0)
    torch.testing.assert_close(ib.own_measurement(ib.unit_measurement(y, A), A), y, atol=1e-5, rtol=0)
    torch.testing.assert_close(physics.A_adjoint(y), A.T(y), atol=1e-5, rtol=0)
    assert float(physics.noise_model.sigma) == pytest.approx(0.1)
    assert physics.adjointness_test(u) < 1e-3
    prox = physics.prox_l2(u, physics.A(u) + 0.1, 10.0, tol=1e-7, max_iter=500)
    torch.testing.assert_close(prox, u + A.ridge(physics.A(u) + 0.1 - A(u), 0.1), atol=1e-4, rtol=0)
    back = ib.from_physics(physics, COLOUR)
    torch.testing.assert_close(back(x), y, atol=1e-5, rtol=0)


def test_another_operator_is_a_physics_of_images_in_0_1() -> None:
    A = ib.operator_from(lambda x: (2 * x).tanh(), COLOUR)
    x = draw(COLOUR)
    physics = ib.to_physics(A, 0.2)
    torch.testing.assert_close(physics.A((x + 1) / 2), A(x))
    assert torch.equal(ib.unit_measurement(A(x), A), A(x))
    assert float(physics.noise_model.sigma) == pytest.approx(0.2)
