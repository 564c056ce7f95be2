"""Metrics of distortion against scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from made_images import measurement, pair
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from invbench import Measurement, Metric
from invbench.metrics.consistency import Consistency
from invbench.metrics.distortion import PSNR, SSIM, psnr, ssim
from invbench.plugins import load_catalog


@pytest.mark.parametrize("data_range", [2.0, 1.0])
def test_psnr_is_that_of_scikit_image(data_range: float) -> None:
    x_hat, x = pair()
    expected = [
        peak_signal_noise_ratio(b.double().numpy(), a.double().numpy(), data_range=data_range)
        for a, b in zip(x_hat, x, strict=True)
    ]
    np.testing.assert_allclose(psnr(x_hat, x, data_range), expected, rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 24, 33), (1, 16, 16), (3, 11, 11)])
@pytest.mark.parametrize("data_range", [2.0, 1.0])
def test_ssim_is_that_of_scikit_image(shape: tuple[int, ...], data_range: float) -> None:
    x_hat, x = pair(shape)
    expected = [
        structural_similarity(
            b.double().numpy(),
            a.double().numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=0,
            data_range=data_range,
        )
        for a, b in zip(x_hat, x, strict=True)
    ]
    np.testing.assert_allclose(ssim(x_hat, x, data_range), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("channels", [3, 1])
def test_the_ssim_of_a_table_is_scikit_images_of_images_on_0_to_1(channels: int) -> None:
    """Its usual call. On [-1, 1] the luminance term, which is not invariant to a shift, would be another."""
    x_hat, x = pair((channels, 24, 33))
    expected = [
        structural_similarity(
            ((truth + 1) / 2).double().numpy(),
            ((restored.clamp(-1, 1) + 1) / 2).double().numpy(),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=0,
        )
        for restored, truth in zip(x_hat, x, strict=True)
    ]
    np.testing.assert_allclose(SSIM()(x_hat, measurement(x)), expected, rtol=0, atol=1e-6)
    assert SSIM.protocol == "ssim/rgb/gauss11-1.5/range1/clip[0,1]/float"


def test_a_perfect_reconstruction() -> None:
    _, x = pair()
    assert psnr(x, x, 2.0).tolist() == [math.inf] * 4
    np.testing.assert_allclose(ssim(x, x, 2.0), 1, atol=1e-12)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=lambda m: m.name)
def test_distortion_clips_the_reconstruction_and_nothing_else(metric: Metric) -> None:
    x_hat, x = pair()
    m = measurement(x)
    wild = 3 * x_hat
    assert not torch.equal(wild, wild.clamp(-1, 1))
    assert torch.equal(metric(wild, m), metric(wild.clamp(-1, 1), m))
    raw = psnr(wild, x, 2.0) if metric.name == "psnr" else ssim((wild + 1) / 2, (x + 1) / 2, 1.0)
    assert (metric(wild, m) > raw).all()


@pytest.mark.parametrize("metric", [PSNR(), SSIM(), Consistency()], ids=lambda m: m.name)
def test_a_value_per_image_that_does_not_depend_on_the_others(metric: Metric) -> None:
    x_hat, x = pair()
    m = measurement(x)
    values = metric(x_hat, m)
    assert values.shape == (4,)
    assert len(set(values.tolist())) == 4
    for i in range(4):
        row = slice(i, i + 1)
        single = Measurement(m.images[row], x[row], m.y[row], m.std[row], m.sha256[row], m.A)
        torch.testing.assert_close(metric(x_hat[row], single), values[row], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 10, 64), (3, 64, 10), (1, 1, 2)])
def test_ssim_needs_room_for_its_window(shape: tuple[int, ...]) -> None:
    small, large = measurement(torch.zeros(4, *shape)), measurement(torch.zeros(4, 3, 11, 11))
    assert SSIM().unavailable(small) == "images must be at least 11x11 pixels"
    assert PSNR().unavailable(small) is None
    assert Consistency().unavailable(small) is None
    assert SSIM().unavailable(large) is None


def test_no_two_metrics_share_a_protocol() -> None:
    protocols = [plugin.cls.protocol for plugin in load_catalog().plugins["metric"].values()]
    assert len(set(protocols)) == len(protocols)
