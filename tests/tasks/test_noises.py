"""Speckle, quantisation, correlated noise, and noise of a plugin: each has the law that it declares."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from command import called
from torch import Tensor

import invbench as ib
from invbench.noise import canonical

KINDS = ("speckle 16", "speckle 1", "quantised 4", "correlated 0.1 [0,1] 2")
PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

from invbench import ConfigError, Noise, Sigma, hookimpl


@dataclass(frozen=True)
class Impulse(Noise):
    kind: ClassVar[str] = "impulse"
    share: float
    sigma_y: ClassVar[None] = None
    label: ClassVar[str] = "impulses"

    @property
    def effective(self):
        return Sigma(self.share**0.5, "[-1,1]")

    def sample(self, clean, rng):
        hit = rng.rand(tuple(clean.shape[1:])) < self.share
        return clean.where(~hit, -clean), clean.new_full((len(clean), 1, 1, 1), self.share**0.5)

    @classmethod
    def from_text(cls, arguments):
        if not arguments:
            raise ConfigError("impulse noise needs a share, as 'impulse 0.1'")
        return cls(float(arguments))

    def __str__(self):
        return f"impulse {self.share}"


@hookimpl
def invbench_register_noises():
    return [Impulse]
"""


def sampled(text: str, clean: Tensor, rows: int = 64) -> tuple[Tensor, Tensor]:
    rng = ib.Rng.for_images([str(i) for i in range(rows)], purpose="test")
    return ib.parse_noise(text).sample(clean.expand(rows, *clean.shape[1:]).clone(), rng)


@pytest.mark.parametrize("looks", [1, 16])
@pytest.mark.parametrize("level", [-0.6, 0.8])
def test_speckle_is_a_gamma_of_its_looks(looks: int, level: float) -> None:
    y, std = sampled(f"speckle {looks}", torch.full((1, 3, 8, 8), level))
    u = (level + 1) / 2
    factor = ((y + 1) / 2 / u).flatten().numpy()
    assert factor.mean() == pytest.approx(1, abs=4 / math.sqrt(looks * len(factor)))
    assert scipy.stats.kstest(factor, "gamma", (looks, 0, 1 / looks)).pvalue > 1e-3
    assert float(std.max()) == pytest.approx(2 * u / math.sqrt(looks))


def test_speckle_of_black_is_none_and_its_deviation_is_not_zero() -> None:
    y, std = sampled("speckle 4", torch.full((1, 1, 4, 4), -1.0))
    assert (y == -1).all()
    assert (std > 0).all()


def test_quantisation_is_off_by_half_a_step_and_uniform() -> None:
    clean = torch.linspace(-1, 1, 64 * 64 * 3).reshape(1, 3, 64, 64)
    y, std = sampled("quantised 4", clean, 1)
    step = 2 / 15
    error = y - clean
    assert len(y.unique()) == 16
    assert (y.min(), y.max()) == (-1, 1)
    assert float(error.abs().max()) <= step / 2 + 1e-6
    assert float(error.std()) == pytest.approx(float(std), rel=0.01)
    assert scipy.stats.kstest(error.flatten().numpy() / step + 0.5, "uniform").statistic < 0.01
    beyond, _ = sampled("quantised 4", clean + 0.1, 1)
    assert float(beyond.max()) == 1


@pytest.mark.parametrize("kind", [torch.float32, torch.complex64])
def test_correlated_noise_has_its_deviation_and_correlation(kind: torch.dtype) -> None:
    y, std = sampled("correlated 0.1 [-1,1] 1.5", torch.zeros(1, 2, 32, 32, dtype=kind))
    parts = torch.view_as_real(y).movedim(-1, 0) if y.is_complex() else y[None]
    assert torch.equal(std.unique(), torch.tensor([0.1]))
    for noise in parts:
        # 64 rows x 2 x 1024 pixels, of which every seventh is new: deviations are known to 1 %
        assert float(noise.std()) == pytest.approx(0.1, rel=0.04)
        for d in (1, 2, 4):
            found = float((noise * noise.roll(d, -1)).mean() / noise.square().mean())
            assert found == pytest.approx(math.exp(-(d**2) / (4 * 1.5**2)), abs=0.03)


@pytest.mark.parametrize("text", KINDS)
def test_a_row_draws_what_it_does_alone_and_texts_are_canonical(text: str) -> None:
    clean = torch.linspace(-1, 1, 3 * 8 * 6).reshape(1, 3, 8, 6)
    y, std = sampled(text, clean, 3)
    alone, own = sampled(text, clean, 1)
    torch.testing.assert_close(y[:1], alone)
    assert (y.dtype, y.shape, own.dtype) == (clean.dtype, (3, 3, 8, 6), clean.dtype)
    assert torch.broadcast_shapes(std.shape, y.shape) == y.shape
    once = canonical(text)
    assert canonical(once) == once
    assert once.partition(" ")[0] in text
    assert ib.parse_noise(once).effective == ib.parse_noise(text).effective


@pytest.mark.parametrize("text", KINDS)
def test_the_level_on_average_is_that_at_mid_grey(text: str) -> None:
    noise = ib.parse_noise(text)
    clean = 0.2 * torch.linspace(-1, 1, 3 * 40 * 40).reshape(1, 3, 40, 40)
    y, std = sampled(text, clean, 16)
    for level in ((y - clean).square().mean().sqrt(), std.square().mean().sqrt()):
        assert float(level) == pytest.approx(noise.effective.pm1, rel=0.05)
    assert noise.sigma_y is None, "solvers take noise for Gaussian and white"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speckle", "speckle needs a whole number of looks, as 'speckle 16'; got ''"),
        ("speckle 0", "speckle needs 1 to 1000 looks"),
        ("quantised 2.5", "quantised needs a whole number of bits"),
        ("quantised 17", "quantisation needs 1 to 16 bits; got 17"),
        ("correlated 0.1 [0,1]", r"written 'correlated 0.1 \[-1,1\] 2'|has no unit"),
        ("correlated 0.1 [0,1] 0", "needs a length above 0"),
        ("speckel 16", "unknown noise model 'speckel'; did you mean 'speckle'"),
    ],
)
def test_texts_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        ib.parse_noise(text)


def test_noise_without_meaning_is_refused() -> None:
    cs = ib.plugin("task", "cs4")().operator((3, 8, 8), ib.Rng.single())
    with pytest.raises(ib.ConfigError, match="task cs4: speckle is of pixel values"):
        ib.parse_noise("speckle 16").refuse(cs, "cs4")
    with pytest.raises(ib.ConfigError, match=r"task cs4: correlated noise is of images.*shape \(3, 16\)"):
        ib.parse_noise("correlated 0.1 [-1,1] 2").refuse(cs, "cs4")
    ib.parse_noise("quantised 4").refuse(ib.Identity((3, 8, 8)), "denoise")


def test_a_solver_that_needs_a_level_is_skipped_or_given_the_average(tmp_path: Path) -> None:
    words = ["run", "solver=wiener", "task=denoise", "benchmark=gmm2d", "n=1", "references=false", "out=out"]
    without = called([*words, "task.noise=speckle 16"], tmp_path)
    assert "needs a noise level" in without.stdout + without.stderr
    given = called([*words, "task.noise=speckle 16", "assume=effective"], tmp_path)
    assert given.returncode == 0, given.stderr
    (run,) = (p for p in tmp_path.glob("out/**/run.json") if "complete" in p.read_text())
    assert '"assumed": "0.25 [-1,1]"' in run.read_text()


def site(folder: Path, code: str, name: str = "impulse") -> Path:
    """A folder in which a distribution with a noise model is installed."""
    (folder / "mine_noise.py").write_text(code)
    info = folder / f"mine_{name}-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mine-{name}\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(f"[invbench]\nnoise_{name} = mine_noise\n")
    return folder


def test_a_plugin_brings_noise_of_its_own_which_is_part_of_the_identity(tmp_path: Path) -> None:
    words = [
        "run",
        "solver=pinv",
        "task=denoise",
        "benchmark=gmm2d",
        "n=1",
        "references=false",
        "out=out",
        "isolate=false",
    ]
    ran = called([*words, "task.noise=impulse 0.25"], tmp_path, site=site(tmp_path, PLUGIN))
    assert ran.returncode == 0, ran.stderr
    (run,) = tmp_path.glob("out/**/run.json")
    assert '"noise": "impulse 0.25"' in run.read_text()
    assert '"mine-impulse": "0.3"' in run.read_text()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", "unknown noise model 'impulse'.*Not loaded: noise_impulse .*No module"),
        (PLUGIN.replace('"impulse"', '"gaussian"'), "needs a kind of its own"),
        (PLUGIN.replace("return [Impulse]", "return [1]"), "expected a subclass of invbench.Noise .*; got 1"),
        (PLUGIN.replace("def sample", "def simple"), "expected a subclass of invbench.Noise that defines all of it"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(tmp_path: Path, code: str, message: str) -> None:
    ran = called(["run", "solver=pinv", "task=denoise", "task.noise=impulse 0.25"], tmp_path, site=site(tmp_path, code))
    assert ran.returncode != 0
    assert __import__("re").search(message, ran.stderr.replace("\n", " ")), ran.stderr


def test_two_models_of_one_kind_are_refused(tmp_path: Path) -> None:
    folder = site(site(tmp_path, PLUGIN), PLUGIN, "other")
    ran = called(["run", "solver=pinv", "task=denoise", "task.noise=impulse 0.25"], tmp_path, site=folder)
    assert "noise model 'impulse' is offered twice; uninstall one" in ran.stderr


def test_the_true_deviation_makes_the_truth_consistent() -> None:
    """Where noise is not too rare: (y - H x) / std is 1 rms of the truth."""
    clean = torch.from_numpy(np.random.default_rng(0).uniform(-0.9, 0.9, (1, 3, 64, 64))).float()
    for text in KINDS:
        y, std = sampled(text, clean, 1)
        assert float(((y - clean) / std).square().mean().sqrt()) == pytest.approx(1, abs=0.1), text
