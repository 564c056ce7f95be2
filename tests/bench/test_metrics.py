"""What it takes to score an image: 16 images of 64x64, and, as a ratio, all scores against one network call."""

from __future__ import annotations

import pytest
import torch
from timing import note_per_image, seconds

from invbench import Identity, Measurement, Metric, Rng, SetMetric
from invbench.plugins import load_catalog
from invbench.priors.adm.sources import AdmPhotos

BATCH, SHAPE = 16, (3, 64, 64)
METRICS = ("psnr", "ssim", "haarpsi", "kid_alex")


def metric(name: str) -> Metric:
    return load_catalog().get("metric", name)()


def measurement() -> Measurement:
    x = Rng.single(purpose="bench").rand((BATCH, *SHAPE))[0]
    names = tuple(map(str, range(BATCH)))
    return Measurement(names, x, x, torch.ones(1), names, Identity(SHAPE))


def score(metric: Metric, x_hat: torch.Tensor, measured: Measurement) -> object:
    if isinstance(metric, SetMetric):
        return metric.distance(metric(measured.x, measured), metric(x_hat, measured))
    return metric(x_hat, measured)


@pytest.mark.parametrize("name", METRICS)
def test_score(name: str, benchmark) -> None:
    measured = measurement()
    x_hat = measured.x.flip(-1)
    benchmark.pedantic(score, args=(metric(name), x_hat, measured), rounds=10, warmup_rounds=2)
    note_per_image(benchmark, BATCH)


def test_scoring_costs_less_than_a_network_call() -> None:
    prior, measured = AdmPhotos().load(SHAPE, "cpu"), measurement()
    x_hat, metrics = measured.x.flip(-1), [metric(name) for name in METRICS]

    def call() -> None:
        with torch.inference_mode():
            prior.eps(measured.x, 500)

    scoring, network = seconds(lambda: [score(m, x_hat, measured) for m in metrics], call)
    print(f"\nscores {1e3 * scoring:.0f} ms, network {1e3 * network:.0f} ms, ratio {network / scoring:.1f}")
    assert network / scoring >= 1.5
