"""Distances of sets against clean-fid, closed forms and generated networks of the real formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from cleanfid import fid as reference
from cleanfid import inception_pytorch
from made_images import measurement, pair
from torch import Tensor, nn

from invbench import DataError, SetMetric
from invbench.metrics import realism
from invbench.metrics.realism import (
    FID,
    INCEPTION,
    KID,
    FIDLegacy,
    frechet_distance,
    kernel_distance,
)


def features(n: int, d: int, seed: int = 0, shift: float = 0.0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n, d)) @ np.diag(np.linspace(0.2, 2, d)) + shift)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 300, 12), (20, 30, 64), (40, 40, 40)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frechet_distance_is_clean_fids(n: int, m: int, d: int) -> None:
    a, b = features(n, d), features(m, d, 1, 0.3)
    moments = [f(z.numpy()) for z in (a, b) for f in (lambda z: z.mean(0), lambda z: np.cov(z, rowvar=False))]
    expected = closed_form(*moments)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    if hasattr(reference, "frechet_distance") and n > d:  # its root of a singular product is regularised
        try:
            assert reference.frechet_distance(*moments) == pytest.approx(expected, rel=1e-6)
        except TypeError:  # SciPy 1.18 took sqrtm's second result away
            return


def closed_form(mu: np.ndarray, S: np.ndarray, nu: np.ndarray, T: np.ndarray) -> float:
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    both = np.linalg.eigvalsh(root @ T @ root).clip(0)
    return float(((mu - nu) ** 2).sum() + np.trace(S) + np.trace(T) - 2 * np.sqrt(both).sum())


def test_frechet_distance_of_a_set_from_itself_is_zero_and_of_a_shifted_one_the_shift() -> None:
    a = features(30, 50)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 0.5) == pytest.approx(50 * 0.25)


def test_kernel_distance_is_clean_fids() -> None:
    a, b = features(40, 16), features(40, 16, 1, 0.2)
    expected = reference.kernel_distance(a.numpy(), b.numpy(), num_subsets=1, max_subset_size=40)
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_that_of_scikit_learns_kernel() -> None:
    from sklearn.metrics.pairwise import polynomial_kernel

    a, b = features(30, 12), features(25, 12, 1, 0.3)
    xx, yy, xy = (polynomial_kernel(p.numpy(), q.numpy(), degree=3, coef0=1) for p, q in ((a, a), (b, b), (a, b)))
    unbiased = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
    assert kernel_distance(a, b) == pytest.approx(sum(unbiased) - 2 * xy.mean(), rel=1e-9)


class Layers(nn.Module):
    """Eight projections of means over a grid, 256 times."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1).repeat(1, 171)[:, :2048]


class Inception(nn.Module):
    """What clean-fid expects of its TorchScript file."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@pytest.fixture
def inceptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Generated files in the formats of clean-fid and pytorch-fid, read without a hash."""
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    torch.jit.script(Inception()).save(str(tmp_path / INCEPTION["clean"].filename))
    torch.manual_seed(0)
    with patch.object(inception_pytorch, "load_state_dict_from_url", side_effect=StopIteration):
        network = inception_pytorch._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    torch.save(network.state_dict(), tmp_path / INCEPTION["legacy_pytorch"].filename)
    object.__setattr__(INCEPTION["legacy_pytorch"], "sha256", "")
    realism.inception.cache_clear()
    yield tmp_path
    realism.inception.cache_clear()
    object.__setattr__(INCEPTION["legacy_pytorch"], "sha256", "6726825d")


def test_inception_features_come_from_clean_fids_network_and_resizing(inceptions: Path) -> None:
    x_hat, x = pair((3, 64, 64))
    measured, metric = measurement(x), FID()
    assert metric.unavailable(measured) is None
    score = metric(x_hat, measured)
    assert score.shape == (4, 2048)
    u8 = (127.5 * (x_hat.clamp(-1, 1) + 1)).round()
    torch.testing.assert_close(score[:, 0], (u8[:, 0, :32, :32].mean((1, 2)) / 128 - 1).double(), atol=0.02, rtol=0.02)
    assert metric.distance(metric(x, measured), score) > 0
    assert KID().distance(score, score) < KID().distance(metric((x_hat + 0.5).clamp(-1, 1), measured), score)


def test_images_of_eight_bits_stay_and_others_are_rounded_or_as_by_the_paper_cut() -> None:
    levels = torch.arange(256)
    for metric in (FID(), FIDLegacy()):
        assert metric.eight_bits(levels.float() / 127.5 - 1).tolist() == levels.tolist()
    between = (levels[:-1] + 0.7) / 127.5 - 1
    assert FID().eight_bits(between).tolist() == levels[1:].tolist()
    assert FIDLegacy().eight_bits(between).tolist() == levels[:-1].tolist()


def test_pytorch_fids_network_is_loaded_from_its_file(inceptions: Path) -> None:
    x_hat, x = pair((3, 32, 32))
    metric = FIDLegacy()
    assert metric.unavailable(measurement(x)) is None
    score = metric(x_hat[:2], measurement(x[:2]))
    assert score.shape == (2, 2048)
    assert score.isfinite().all()


def test_absent_and_damaged_weights_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    realism.inception.cache_clear()
    measured = measurement(pair((3, 32, 32))[1])
    assert "invbench fetch inception_fid" in (FID().unavailable(measured) or "")
    (tmp_path / INCEPTION["clean"].filename).write_bytes(b"not a network")
    with pytest.raises(DataError, match="not clean-fid's network"):
        realism.inception("clean", torch.device("cpu"))


@pytest.mark.parametrize(("metric", "shape"), [(FID(), (40,)), (FID(), (5,)), (KID(), (40,))])
def test_scores_of_resamples_are_those_of_sets_that_repeat_images(metric: SetMetric, shape: tuple[int, ...]) -> None:
    """FID to what is left where features are fewer than directions, as of many images, and where they are more."""
    n = 12
    a = torch.from_numpy(np.random.default_rng(0).normal(size=(n, *shape)))
    b = 0.8 * a + 0.2 * torch.from_numpy(np.random.default_rng(1).normal(size=(n, *shape))) + 0.1
    picks = torch.from_numpy(np.random.default_rng(2).integers(0, n, (20, n)))
    expected = [metric.distance(a[pick], b[pick]) for pick in picks]
    np.testing.assert_allclose(metric.distances(a, b, picks), expected, rtol=1e-9, atol=1e-9)
