"""Running a cell: what is solved and recorded, what is skipped, and what is said when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace
from running import CATALOG, Run, Toy, cell_of, metrics, run_json, values_of
from torch import Tensor

import invbench as ib
from invbench.analysis.comparable import measurement_key
from invbench.harness.cell import Options, Watch
from invbench.harness.runner import run_cell
from invbench.store.reader import load_cells


class Raising(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        raise ArithmeticError("no convergence")


class RaisingOSError(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        raise FileNotFoundError(2, "No such file or directory", "kernel.npy")


class NeedsSigma(Toy):
    needs_sigma: ClassVar[bool] = True


class NeedsSVD(Toy):
    operator_type: ClassVar[type[ib.Operator]] = ib.SVDOperator


class Refusing(Toy):
    def skip(self, problem: ib.Problem, prior: ib.Prior) -> str | None:
        return "it is Sunday"


class Cubed(ib.Operator):
    def __init__(self, shape: ib.Shape) -> None:
        self.x_shape = self.y_shape = shape

    def _A(self, x: Tensor) -> Tensor:
        return x**3


@dataclass(frozen=True)
class CubeTask(ib.Task):
    """A task whose operator is not linear."""

    name: ClassVar[str] = "cube"

    def operator(self, x_shape: ib.Shape, rng: ib.Rng) -> ib.Operator:
        return Cubed(x_shape)


def test_who_watches_learns_the_folder_before_anything_is_solved(tmp_path: Path) -> None:
    begun: list[tuple[Path, str]] = []
    watch = Watch(on_begin=lambda folder, run: begun.append((folder, run.cell)))
    outcome = run_cell(cell_of(Raising()), [], Options(tmp_path, 1, 1), watch=watch)
    assert outcome.status == "failed"
    assert begun == [(outcome.folder, outcome.folder.name.rpartition("-")[2])]


def test_a_cell_runs_to_completion(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(Toy()))
    assert (outcome.status, outcome.images, outcome.reason) == ("complete", 4, "")
    assert Toy.calls == [2, 2]
    recorded = values_of(tmp_path)
    assert {image for image, _, _ in recorded} == {"00000", "00001", "00002", "00003"}
    scores = {"psnr", "ssim", "haarpsi", "consistency"}
    assert {metric for _, _, metric in recorded} == scores | {"nfe_forward", "nfe_backward"}
    assert run_json(outcome)["status"] == "complete"


def test_a_metric_that_is_unavailable_for_the_images_is_left_out(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy(), benchmark="gmm2d"))
    assert {metric for _, _, metric in values_of(tmp_path)} == {"psnr", "consistency", "nfe_forward", "nfe_backward"}


def test_progress_counts_images(tmp_path: Path) -> None:
    counts: list[tuple[int, int]] = []
    options = Options(tmp_path, n=3, batch_size=2)
    run_cell(cell_of(Toy()), metrics(), options, lambda done, total: counts.append((done, total)))
    assert counts == [(0, 3), (2, 3), (3, 3)]


def test_a_failing_solver_is_recorded_with_its_traceback(run: Run) -> None:
    outcome = run(cell_of(Raising()))
    assert (outcome.status, outcome.images) == ("failed", 0)
    assert outcome.reason == "ArithmeticError: no convergence"
    content = run_json(outcome)
    assert content["status"] == "failed"
    assert "in answer" in content["traceback"]
    assert "ArithmeticError: no convergence" in content["traceback"]


def test_an_os_error_of_the_solver_is_not_taken_for_a_full_disk(run: Run) -> None:
    outcome = run(cell_of(RaisingOSError()))
    assert outcome.status == "failed"
    assert "kernel.npy" in outcome.reason


def test_a_failed_cell_that_succeeds_later_has_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(cell_of(Raising())).status == "failed"
    monkeypatch.setattr(Raising, "answer", Toy.answer)
    outcome = run(cell_of(Raising()))
    assert outcome.status == "complete"
    assert "traceback" not in run_json(outcome)


def test_an_operator_of_another_type_skips_the_cell(run: Run) -> None:
    outcome = run(cell_of(NeedsSVD(), task=CubeTask()))
    assert (outcome.status, outcome.images, Toy.calls) == ("skipped", 0, [])
    assert outcome.reason.startswith("needs an operator of type SVDOperator; task 'cube' gives Cubed")
    assert run_json(outcome)["status"] == "skipped"
    assert run_json(outcome)["reason"] == outcome.reason


def test_a_nonlinear_operator_suits_a_solver_that_needs_no_more(run: Run) -> None:
    assert run(cell_of(Toy(), task=CubeTask())).status == "complete"


def test_a_hidden_noise_level_skips_a_solver_that_needs_it(run: Run) -> None:
    hidden = CATALOG.get("task", "denoise")(noise="uniform 0.01..0.1 [-1,1]")
    outcome = run(cell_of(NeedsSigma(), task=hidden))
    assert (outcome.status, Toy.calls) == ("skipped", [])
    assert outcome.reason.startswith("needs a noise level; the noise of task 'denoise' states none")
    assert run(cell_of(Toy(), task=hidden)).status == "complete"
    assert {problem.sigma_y for problem in Toy.problems} == {None}


def test_a_solver_may_be_given_a_level_where_the_noise_hides_its_own(run: Run) -> None:
    hidden = CATALOG.get("task", "denoise")(noise="uniform 0.01..0.1 [-1,1]")
    assumed_cell = cell_of(NeedsSigma(), task=hidden, assumed="0.05 [0,1]")
    assert run(assumed_cell).status == "complete"
    assert {problem.sigma_y for problem in Toy.problems} == {0.1}
    assert assumed_cell.config() == replace(cell_of(NeedsSigma(), task=hidden).config(), assumed="0.05 [0,1]")
    assert measurement_key(assumed_cell.config()) == measurement_key(cell_of(Toy(), task=hidden).config())


def test_a_solver_may_refuse_a_problem_itself(run: Run) -> None:
    outcome = run(cell_of(Refusing()))
    assert (outcome.status, outcome.reason, Toy.calls) == ("skipped", "it is Sunday", [])


def test_a_cell_that_cannot_be_made_does_not_stop_a_sweep(invbench: Callable[..., Any], tmp_path: Path) -> None:
    sweep = ["solver=ddrm", "benchmark=gmm2d", "task=denoise", "n=2", "references=false", "solver.nfe=2"]
    result = invbench("run", *sweep, "solver.eta=5,0.5")
    assert result.returncode == 1
    assert "error: ddrm: eta and eta_b must lie in [0, 1]; got 5.0 and 1.0" in result.stderr
    assert "Traceback" not in result.stderr
    (cell,) = load_cells(tmp_path / "results" / "runs")
    assert (cell.run.status, cell.run.config.solver.options["eta"]) == ("complete", 0.5)


def test_an_option_holds_for_every_task_of_a_sweep(invbench: Callable[..., Any], tmp_path: Path) -> None:
    sweep = ["solver=pinv", "task=denoise,inpaint_random", "benchmark=gmm2d", "n=2", "references=false"]
    result = invbench("run", *sweep, "task.noise=gaussian 0.1 [-1,1]")
    assert result.returncode == 0, result.stderr
    tasks = [cell.run.config.task for cell in load_cells(tmp_path / "results" / "runs")]
    assert {task.name for task in tasks} == {"denoise", "inpaint_random"}
    assert {task.noise for task in tasks} == {"gaussian 0.1 [-1,1]"}
