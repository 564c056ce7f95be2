"""Where ADM priors come from: what they take, and what is their fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

import invbench as ib
from invbench import ConfigError, Rng
from invbench.priors.adm.sources import AdmGmm, AdmPhotos


@pytest.mark.parametrize(
    ("source", "x_shape", "message"),
    [
        (AdmPhotos(), (3, 64, 62), "sides divisible by 4; got 3x64x62"),
        (AdmPhotos(), (1, 64, 64), "takes 3-channel images"),
        (
            AdmPhotos(dtype="float8"),
            (3, 64, 64),
            "dtype of the network must be one of float32, tf32, bfloat16, float16; got 'float8'",
        ),
        (AdmPhotos(dtype="float64"), (3, 64, 64), "got 'float64'"),
    ],
)
def test_what_the_network_cannot_take_is_refused(source: AdmPhotos, x_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source.load(x_shape, "cpu")


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(b"weights")
    assert AdmPhotos(weights=str(path)).fingerprint() == hashlib.sha256(b"weights").hexdigest()


SHAPE = (3, 16, 16)


@pytest.mark.parametrize(("t", "bar"), [(20, 0.04), (100, 0.01), (400, 0.004), (900, 0.004)])
def test_its_prediction_is_near_the_exact_one(t: int, bar: float) -> None:
    """Twice what the model card says or more: 32 draws, not 256."""
    exact, learned = ib.GmmPrior(ib.patch_mixture(), SHAPE), AdmGmm().load(SHAPE, "cpu")
    rng = Rng.for_images([str(i) for i in range(32)], purpose="error")
    x = ib.patch_mixture().sample(rng).float().reshape(-1, *SHAPE)
    abar = exact.alpha_bar(t)
    x_t = abar**0.5 * x + (1 - abar) ** 0.5 * rng.randn_like(x)
    with torch.inference_mode():
        want, got = exact.eps(x_t, t), learned.eps(x_t, t)
    assert float((got - want).square().mean() / want.square().mean()) < bar


def test_students_of_the_mixture_begin_with_it() -> None:
    student = ib.GmmPrior(ib.patch_mixture(), SHAPE).student()
    learned = AdmGmm().load(SHAPE, "cpu")
    for one, other in zip(student.net.parameters(), learned.net.parameters(), strict=True):
        assert torch.equal(one, other.float())
