"""The shipped prior: it denoises, rows are independent, and lower precision is near."""

from __future__ import annotations

import math

import pytest
import torch
from extras import skip_where_attention_takes_no_bfloat16
from made_networks import draw, small
from torch import Tensor

from invbench import Prior, Rng, UnsupportedProblem
from invbench.metrics.distortion import psnr
from invbench.plugins import load_catalog
from invbench.priors.adm.sources import AdmPhotos


@pytest.fixture(scope="module")
def photos() -> Prior:
    return AdmPhotos().load((3, 64, 64), "cpu")


@pytest.fixture(scope="module")
def crops() -> Tensor:
    dataset = load_catalog().get("dataset", "photos")(split="tune")
    return torch.stack([dataset.load(i) for i in dataset.ids()[:8]])


@torch.inference_mode()
def test_the_shipped_prior_denoises_photographs(photos: Prior, crops: Tensor) -> None:
    """At sigma 0.2 (20.0 dB) it reached 32.9 dB; the floor leaves half a decibel."""
    sigma = (1 / photos.abar - 1).sqrt()
    t = int((sigma - 0.2).abs().argmin())
    noisy = crops + sigma[t].float() * Rng.for_images([str(i) for i in range(8)], seed=0).randn_like(crops)
    assert psnr(noisy, crops, 2.0).mean().item() == pytest.approx(20, abs=0.2)
    x0 = photos.x0(math.sqrt(photos.alpha_bar(t)) * noisy, t)
    assert psnr(x0.clamp(-1, 1), crops, 2.0).mean().item() > 32.4


@torch.inference_mode()
def test_a_shared_time_step_is_that_step_for_every_row() -> None:
    prior, x = small(), draw(3, 3, 16, 32)
    eps, v = prior.eps_and_v(x, 57)
    rows_eps, rows_v = prior.eps_and_v(x, torch.full((3,), 57))
    assert v is not None
    assert rows_v is not None
    torch.testing.assert_close(eps, rows_eps, rtol=0, atol=1e-5)
    torch.testing.assert_close(v, rows_v, rtol=0, atol=1e-5)
    mixed = prior.eps(x, torch.tensor([57, 900, 57]))
    torch.testing.assert_close(mixed[[0, 2]], eps[[0, 2]], rtol=0, atol=1e-5)
    assert (mixed[1] - eps[1]).abs().max() > 0.01


@torch.inference_mode()
def test_a_row_does_not_depend_on_its_batch() -> None:
    """But for rounding: a convolution takes other kernels for one row, and on some processors for any other number."""
    prior, x = small(), draw(16, 3, 16, 32)
    all_rows = prior.eps(x, 500)
    for size in (1, 2, 5):
        torch.testing.assert_close(prior.eps(x[:size], 500), all_rows[:size], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_bfloat16_is_near_float32(crops: Tensor) -> None:
    skip_where_attention_takes_no_bfloat16()
    full, half = (AdmPhotos(dtype=d).load((3, 64, 64), "cpu") for d in ("float32", "bfloat16"))
    x = crops[:2] + 0.2 * draw(2, 3, 64, 64)
    a, b = full.eps(x, 57), half.eps(x, 57)
    assert b.dtype == torch.float32
    error = ((a - b).square().mean() / a.square().mean()).sqrt().item()
    assert 1e-5 < error < 0.02  # eight bits of mantissa: 0.4 % per rounding, and it is not float32 in disguise


def test_only_convolutions_leave_single_precision() -> None:
    net = small(dtype="bfloat16").net  # type: ignore[attr-defined]
    kinds = {name: p.dtype for name, p in net.named_parameters()}
    assert kinds["input_blocks.1.0.in_layers.2.weight"] == torch.bfloat16
    assert kinds["input_blocks.1.0.in_layers.0.weight"] == torch.float32
    assert kinds["input_blocks.1.0.emb_layers.1.weight"] == torch.float32
    assert kinds["time_embed.0.weight"] == torch.float32
    assert not any(p.requires_grad for p in net.parameters())


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(UnsupportedProblem, match=r"expected x_t of shape .*got \(1, 3, 8, 8\)"):
        small().eps(torch.zeros(1, 3, 8, 8), 0)
