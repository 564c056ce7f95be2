"""Every noise model has the spread that it declares, and what means nothing is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from invbench import ConfigError, PoissonNoise, Rng, parse_noise
from invbench.noise import GaussianNoise, Noise, Sigma, UniformSigma

# Levels are printed with six significant digits, so only such levels survive a round trip.
LEVELS = st.integers(0, 999_999).map(lambda k: k / 1e5)
UNITS = st.sampled_from(["[-1,1]", "[0,1]"])


def draw(noise: Noise, clean: Tensor) -> tuple[Tensor, Tensor]:
    return noise.sample(clean, Rng.for_images([str(i) for i in range(len(clean))], purpose="test"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sigma.parse("0.05"), r"'0\.05' has no unit; write '0\.05 \[-1,1\]' or '0\.05 \[0,1\]'"),
        (
            lambda: Sigma.parse("0.05 [0,255]"),
            r"unknown unit of a noise level '\[0,255\]'.*Available: \[-1,1\], \[0,1\]",
        ),
        (lambda: Sigma(0.05, "pm1"), "unknown unit of a noise level 'pm1'"),
        (lambda: Sigma.parse("-0.1 [0,1]"), r"must be finite and not negative; got -0\.1"),
        (lambda: Sigma(math.nan, "[0,1]"), "must be finite and not negative; got nan"),
        (lambda: Sigma.parse("inf [0,1]"), "must be finite and not negative; got inf"),
        (lambda: Sigma.parse("much [0,1]"), "a noise level must be a number; got 'much'"),
        (lambda: parse_noise("gaussian 0.05"), "has no unit"),
        (lambda: parse_noise("gaussian"), "must be a number; got ''"),
        (lambda: parse_noise("gausian 0.05 [0,1]"), "unknown noise model 'gausian'; did you mean 'gaussian'"),
        (lambda: parse_noise("uniform 0.1 [0,1]"), r"written 'uniform 0\.01\.\.0\.1 \[-1,1\]'; got '0\.1 \[0,1\]'"),
        (lambda: parse_noise("uniform 0.1..0.2"), "has no unit"),
        (lambda: parse_noise("uniform 0.2..0.1 [0,1]"), "needs low <= high"),
        (lambda: parse_noise("poisson 0"), "needs a positive rate; got 0"),
        (lambda: parse_noise("poisson -1"), "needs a positive rate; got -1"),
        (lambda: parse_noise("poisson nan"), "needs a positive rate; got nan"),
        (lambda: parse_noise("poisson inf"), "needs a positive rate; got inf"),
        (lambda: parse_noise("poisson bright"), "rate of Poisson noise must be a number; got 'bright'"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("text", ["gaussian 0.05 [0,1]", "uniform 0.01..0.1 [-1,1]", "poisson 0.5"])
def test_the_effective_level_is_the_root_mean_square_of_the_noise(text: str) -> None:
    """Of a mid-grey image; 2,000 images of 50 values, so that the standard error is 0.5 % where levels are drawn."""
    noise, grey = parse_noise(text), torch.zeros(2000, 1, 5, 10)
    y, std = noise.sample(grey, Rng.for_images([str(i) for i in range(2000)], purpose="effective"))
    assert float((y - grey).square().mean().sqrt()) == pytest.approx(noise.effective.pm1, rel=0.02)
    assert float(std.square().mean().sqrt()) == pytest.approx(noise.effective.pm1, rel=0.02)


@given(LEVELS, UNITS)
def test_gaussian_noise_survives_a_round_trip_through_text(value: float, unit: str) -> None:
    noise = GaussianNoise(Sigma(value, unit))
    assert parse_noise(str(noise)) == noise


@given(LEVELS, LEVELS, UNITS)
def test_uniform_noise_survives_a_round_trip_through_text(a: float, b: float, unit: str) -> None:
    noise = UniformSigma(Sigma(min(a, b), unit), Sigma(max(a, b), unit))
    assert parse_noise(str(noise)) == noise


@given(LEVELS.filter(bool))
def test_poisson_noise_survives_a_round_trip_through_text(rate: float) -> None:
    assert parse_noise(str(PoissonNoise(rate))) == PoissonNoise(rate)


@pytest.mark.parametrize(("unit", "expected"), [("[-1,1]", 0.05), ("[0,1]", 0.1)])
def test_gaussian_noise_has_the_declared_std(unit: str, expected: float) -> None:
    clean = torch.linspace(-1, 1, 20_000).reshape(2, 1, 100, 100)
    noise = GaussianNoise(Sigma(0.05, unit))
    y, std = draw(noise, clean)
    assert noise.sigma_y == pytest.approx(expected)
    assert std.flatten().tolist() == pytest.approx([expected] * 2)
    # The standard error of a standard deviation from 20000 draws is 0.5 %; doubling is far outside.
    assert (y - clean).std().item() == pytest.approx(expected, rel=0.02)
    assert (y - clean).mean().abs().item() < 4 * expected / math.sqrt(20_000)


def test_uniform_noise_draws_a_level_per_image_and_reports_it() -> None:
    noise = UniformSigma(Sigma(0.02, "[-1,1]"), Sigma(0.2, "[-1,1]"))
    clean = torch.zeros(64, 3, 32, 32)
    y, std = draw(noise, clean)
    levels = std.flatten()
    assert levels.shape == (64,)
    assert levels.min() >= 0.02
    assert levels.max() <= 0.2
    assert levels.min() < 0.04  # 64 draws reach both ends of the range: missing one has probability 5e-4
    assert levels.max() > 0.18
    measured = (y - clean).flatten(1).std(1)
    torch.testing.assert_close(measured, levels, rtol=0.06, atol=0)  # 4.7 standard errors of 3072 draws


@pytest.mark.parametrize("text", ["uniform 0.01..0.1 [-1,1]", "poisson 1.0"])
def test_a_hidden_level_is_not_given(text: str) -> None:
    assert parse_noise(text).sigma_y is None


def test_poisson_noise_at_mid_grey() -> None:
    clean = torch.zeros(1, 1, 200, 200)
    y, std = draw(PoissonNoise(1.0), clean)
    assert std.unique().item() == pytest.approx(0.0886, abs=5e-5)
    assert (y - clean).std().item() == pytest.approx(0.0886, rel=0.02)  # 5.6 standard errors of 40000 draws
    assert y.mean().item() == pytest.approx(0, abs=4 * 0.0886 / 200)


def test_poisson_noise_stays_in_range_and_on_its_photon_counts() -> None:
    clean = torch.linspace(-1.5, 1.5, 4096).reshape(1, 1, 64, 64)
    y, std = draw(PoissonNoise(0.5), clean)
    assert y.min() >= -1
    assert y.max() <= 1
    assert (y[clean < -1] == -1).all()  # no photon where the image is black
    photons = (y + 1) / 2 * 255 * 0.5
    inside = y < 1
    torch.testing.assert_close(photons[inside], photons[inside].round(), rtol=0, atol=1e-3)
    assert std.min().item() == pytest.approx(2 / (255 * 0.5))  # one photon: never zero, the residual divides by it


def test_more_light_means_less_poisson_noise() -> None:
    clean = torch.zeros(1, 1, 100, 100)
    dim, bright = (draw(PoissonNoise(rate), clean)[0].std().item() for rate in (0.25, 4.0))
    assert dim / bright == pytest.approx(4, rel=0.05)  # std goes as rate^-1/2
