"""Best of four runs: the formula, when it has a value, and that its numbers stand apart from all others."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.harness.scoring import Scorer
from invbench.metrics.best import BestLPIPS, BestOf4, BestPSNR, BestSSIM, blind_to_turns
from invbench.metrics.distortion import PSNR, SSIM
from invbench.metrics.perceptual import LPIPSAlex
from invbench.plugins import load_catalog
from invbench.store.files import MEAN
from invbench.store.reader import load_cells

CATALOG = load_catalog()
SHAPE: ib.Shape = (3, 32, 40)


def operator(task: str) -> ib.Operator:
    return CATALOG.get("task", task)().operator(SHAPE, ib.Rng.single(task=task))


def measurement(A: ib.Operator) -> ib.Measurement:
    images = ("a", "b")
    x = ib.Rng.for_images(images, use="x").rand(SHAPE) * 1.6 - 0.8
    return ib.Measurement(images, x, A(x), torch.full((2, 1, 1, 1), 0.1), ("", ""), A)


PHASES = measurement(operator("phase_retrieval"))


def runs(errors: list[float], turn: list[bool]) -> Tensor:
    """Reconstructions of both images: the truth with noise of each level, some turned by 180 degrees."""
    noise = [ib.Rng.for_images(PHASES.images, run=str(k)).randn(SHAPE) for k in range(len(errors))]
    images = [PHASES.x + level * z for level, z in zip(errors, noise, strict=True)]
    return torch.stack([torch.rot90(z, 2, (2, 3)) if t else z for z, t in zip(images, turn, strict=True)], 1)


def test_psnr_is_that_of_the_best_run_in_its_better_orientation() -> None:
    samples = runs([0.4, 0.2, 0.05, 0.3], [False, True, True, False])
    upright = samples[:, 2].numpy()[:, :, ::-1, ::-1].clip(-1, 1)
    mse = ((upright - PHASES.x.numpy()) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(BestPSNR()(samples, PHASES), 10 * np.log10(4 / mse), rtol=1e-5)
    as_they_are = torch.stack([PSNR()(samples[:, k], PHASES) for k in range(4)]).amax(0)
    assert (BestPSNR()(samples, PHASES) > as_they_are + 5).all()


@pytest.mark.parametrize(("best", "inner"), [(BestSSIM, SSIM), (BestLPIPS, LPIPSAlex), (BestPSNR, PSNR)])
def test_the_best_is_by_each_metrics_own_direction(best: type[BestOf4], inner: type[ib.Metric]) -> None:
    samples = runs([0.4, 0.05, 0.2, 0.3], [False, True, False, True])
    expected = inner()(torch.rot90(samples[:, 1], 2, (2, 3)), PHASES)
    torch.testing.assert_close(best()(samples, PHASES), expected)


def test_exactly_the_first_four_count() -> None:
    samples = runs([0.4, 0.3, 0.2, 0.3, 0.01], [False] * 5)
    torch.testing.assert_close(BestPSNR()(samples, PHASES), BestPSNR()(samples[:, :4], PHASES))
    assert BestPSNR()(samples[:, 1:], PHASES).min() > BestPSNR()(samples, PHASES).max() + 10


@pytest.mark.parametrize("task", ["denoise", "sr4", "deblur", "colorize", "hdr", "phase_retrieval"])
def test_it_has_a_value_where_half_turns_measure_alike_and_there_alone(task: str) -> None:
    A = operator(task)
    reason = BestPSNR().unavailable(measurement(A))
    assert (reason is None) == blind_to_turns(A, PHASES.x) == (task == "phase_retrieval")
    assert reason is None or "half turn" in reason


@pytest.mark.parametrize("best", [BestPSNR, BestSSIM, BestLPIPS])
def test_it_needs_four_samples_and_what_its_metric_needs(best: type[BestOf4]) -> None:
    scorer = Scorer([best()])
    assert [len(scorer.of_images(K, PHASES)) for K in (1, 2, 3, 4, 9)] == [0, 0, 0, 1, 1]
    small = CATALOG.get("task", "phase_retrieval")().operator((3, 8, 8), ib.Rng.single())
    tiny = dataclasses.replace(PHASES, A=small, x=PHASES.x[:, :, :8, :8])
    assert best().unavailable(tiny) == best.inner().unavailable(tiny)


def test_no_number_of_it_shares_a_column_with_another() -> None:
    protocols = [plugin.cls.protocol for plugin in CATALOG.plugins["metric"].values()]
    assert len(set(protocols)) == len(protocols)
    for best in (BestPSNR, BestSSIM, BestLPIPS):
        assert best.protocol == f"best-of-4/half-turn/{best.inner.protocol}"


def test_a_run_of_four_samples_prints_them_in_a_table_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "solver=red_diff", "solver.nfe=5", "benchmark=gmm", "task=phase_retrieval", "n=2", "samples=4"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert re.search(r"phase_retrieval .*\| best of 4\n.*psnr_best4", result.output)
    assert "Protocols: best-of-4/half-turn/psnr/" in result.output
    (cell,) = [c for c in load_cells(tmp_path / "results" / "runs") if c.run.config.solver.name == "red_diff"]
    rows = [row for row in cell.rows if row.metric == "psnr_best4"]
    assert [(row.sample, row.protocol) for row in rows] == [(MEAN, BestPSNR.protocol)] * 2
    for row in rows:
        singles = [r.value for r in cell.rows if (r.metric, r.image) == ("psnr", row.image) and r.sample != MEAN]
        assert len(singles) == 4
        assert row.value >= max(singles)


def test_tuning_by_it_asks_for_as_many_samples() -> None:
    words = ["tune", "solver=dps", "task=phase_retrieval", "benchmark=gmm", "objective=psnr_best4", "samples=2"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code != 0
    assert "objective psnr_best4 scores several samples of a measurement; add samples=8" in result.output
