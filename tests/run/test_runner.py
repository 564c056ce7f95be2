"""Running a cell: what is solved, what is kept, and what is said when something goes wrong."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file
from torch import Tensor

import invbench as ib
from invbench.analysis.comparable import measurement_key
from invbench.metric import Metric
from invbench.plugins import Catalog, load_catalog
from invbench.run.cell import Cell, Options, Outcome
from invbench.run.runner import run_cell
from invbench.store.files import MEAN
from invbench.store.reader import load_cells


@dataclass(frozen=True)
class Toy(ib.Solver):
    """Returns the measurement; ``calls`` and ``problems`` tell what the runner asked for."""

    name: ClassVar[str] = "toy"
    calls: ClassVar[list[int]] = []
    problems: ClassVar[list[ib.Problem]] = []

    def solve(
        self, y: Tensor, problem: ib.Problem, prior: ib.Prior, state: Any, rng: ib.Rng, on_step: Any = None
    ) -> Tensor:
        self.calls.append(len(y))
        self.problems.append(problem)
        return self.answer(y, prior, rng)

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        return y + 0.1 * rng.randn_like(y)


class Raising(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        raise ArithmeticError("no convergence")


class RaisingOSError(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        raise FileNotFoundError(2, "No such file or directory", "kernel.npy")


class StoppedByUser(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        if len(self.calls) == 2:
            raise KeyboardInterrupt
        return super().answer(y, prior, rng)


class OneNan(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        x = y.clone()
        x[1, 0, 0, 0] = torch.nan
        return x


class WrongShape(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        return y[:, :1]


class NoTensor(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Any:
        return None


class Unsaid(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        x = y.clone().requires_grad_()
        return torch.autograd.grad(prior.x0(x, 5).sum(), x)[0]


class TwoEvaluations(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        assert torch.is_inference_mode_enabled()
        return prior.x0(y, 5) + 0 * prior.eps(y, 3)


class OneGradient(Toy):
    needs_grad: ClassVar[bool] = True

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        x = y.clone().requires_grad_()
        (grad,) = torch.autograd.grad(prior.x0(x, 5).sum(), x)
        return x - 0.1 * grad


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


CATALOG = load_catalog()
Run = Callable[..., Outcome]


def metrics(catalog: Catalog = CATALOG) -> list[Metric]:
    return [plugin.cls() for plugin in catalog.plugins["metric"].values()]


def cell_of(solver: ib.Solver, benchmark: str = "gmm", task: ib.Task | None = None, **changes: Any) -> Cell:
    preset = CATALOG.benchmark(benchmark)
    return Cell(
        benchmark=preset,
        task=task or CATALOG.get("task", "denoise")(**preset.tasks["denoise"]),
        dataset=CATALOG.get("dataset", benchmark)(),
        source=CATALOG.get("prior", preset.prior)(),
        solver=solver,
        **changes,
    )


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    Toy.calls.clear()
    Toy.problems.clear()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a cell in ``tmp_path`` with 4 images, 2 at once."""

    def call(cell: Cell, **options: Any) -> Outcome:
        return run_cell(cell, metrics(), Options(**{"out": tmp_path, "n": 4, "batch_size": 2, **options}))

    return call


def images_of(out: Path) -> dict[str, Tensor]:
    """Reconstructions below ``out``, by file name; shards are one."""
    paths = sorted(out.rglob("*.safetensors"))
    found = {path.name: load_file(path)["x_hat"] for path in paths}
    assert len(found) == len(paths), "an image was kept twice"
    return found


def values_of(out: Path) -> dict[tuple[str, int, str], float]:
    """Every recorded number below ``out`` but the seconds."""
    (cell,) = load_cells(out)
    assert cell.damaged == 0
    return {(r.image, r.sample, r.metric): r.value for r in cell.rows if r.metric != "seconds"}


def assert_same(one: Path, other: Path) -> None:
    first, second = images_of(one), images_of(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert values_of(one) == values_of(other)


def run_json(outcome: Outcome) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    return content


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
    seen: list[tuple[int, int]] = []
    options = Options(tmp_path, n=3, batch_size=2)
    run_cell(cell_of(Toy()), metrics(), options, lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (2, 3), (3, 3)]


def test_a_complete_cell_is_not_solved_again(run: Run, tmp_path: Path) -> None:
    first = run(cell_of(Toy()))
    before = (first.folder / "records.jsonl").read_bytes()
    Toy.calls.clear()
    second = run(cell_of(Toy()))
    assert (second.status, second.images, Toy.calls) == ("complete", 4, [])
    assert (second.folder / "records.jsonl").read_bytes() == before


def test_more_images_continue_a_cell(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy()), n=4)
    Toy.calls.clear()
    outcome = run(cell_of(Toy()), n=8)
    assert (outcome.images, Toy.calls) == (8, [2, 2])
    run(cell_of(Toy()), n=8, out=tmp_path / "at_once")
    at_once = images_of(tmp_path / "at_once")
    grown = {path.name: load_file(path)["x_hat"] for path in (outcome.folder / "images").iterdir()}
    assert all(torch.equal(at_once[name], grown[name]) for name in at_once)


def test_overwrite_solves_a_complete_cell_again(run: Run) -> None:
    run(cell_of(Toy()))
    Toy.calls.clear()
    outcome = run(cell_of(Toy()), overwrite=True)
    assert (outcome.images, Toy.calls) == (4, [2, 2])
    assert len((outcome.folder / "records.jsonl").read_text().splitlines()) == 4 * 7


def test_records_of_other_code_are_kept_with_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(cell_of(Toy())).solved == 4
    again = run(cell_of(Toy()))
    assert (again.solved, again.images, again.status) == (0, 4, "complete")
    (session,) = run_json(again)["sessions"]
    assert len(session["code"]["solver"]) == 12
    monkeypatch.setattr("invbench.run.cell.source_sha256", lambda cls: f"other {cls.__name__}")
    with pytest.warns(UserWarning, match="the code of solver toy has changed .* overwrite=true runs them again"):
        run(cell_of(Toy()))
    assert run(cell_of(Toy()), overwrite=True).solved == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(cell_of(Toy()))


def test_overwrite_solves_again_what_shards_had_completed(run: Run) -> None:
    run(cell_of(Toy()), shard=(0, 2))
    run(cell_of(Toy()), shard=(1, 2))
    Toy.calls.clear()
    run(cell_of(Toy()), overwrite=True)
    assert Toy.calls == [2, 2]


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


def test_a_value_that_is_not_finite_names_its_image_and_keeps_the_others(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(OneNan()), batch_size=3)
    assert outcome.status == "failed"
    assert outcome.reason == (
        "toy returned values that are not finite for 1 of 3 images (00001); the other images are kept"
    )
    assert set(images_of(tmp_path)) == {"00000.safetensors", "00002.safetensors"}
    assert {image for image, _, _ in values_of(tmp_path)} == {"00000", "00002"}
    assert "SolverError" in run_json(outcome)["traceback"]


def test_a_solver_that_differentiates_unsaid_is_told_so(run: Run) -> None:
    assert "needs_grad: ClassVar[bool] = True" in run(cell_of(Unsaid())).reason


def test_a_wrong_shape_is_named(run: Run) -> None:
    outcome = run(cell_of(WrongShape()))
    assert outcome.status == "failed"
    assert outcome.reason == "expected toy to return a tensor of shape (2, 3, 16, 16); got one of shape (2, 1, 16, 16)"


def test_a_result_that_is_no_tensor_fails_the_cell_only(run: Run) -> None:
    outcome = run(cell_of(NoTensor()))
    assert outcome.status == "failed"
    assert outcome.reason == "expected toy to return a tensor of shape (2, 3, 16, 16); got a NoneType"


def test_an_interruption_is_recorded_and_what_was_computed_is_kept(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(cell_of(StoppedByUser()))
    assert len(images_of(tmp_path)) == 2
    assert load_cells(tmp_path)[0].run.status == "interrupted"
    outcome = run(cell_of(StoppedByUser()))
    assert (outcome.status, outcome.images, Toy.calls) == ("complete", 4, [2, 2, 2])


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
    assert outcome.reason.startswith("needs a noise level; the noise of task 'denoise' tells none")
    assert run(cell_of(Toy(), task=hidden)).status == "complete"
    assert {problem.sigma_y for problem in Toy.problems} == {None}


def test_a_solver_may_be_told_a_level_where_the_noise_hides_its_own(run: Run) -> None:
    hidden = CATALOG.get("task", "denoise")(noise="uniform 0.01..0.1 [-1,1]")
    told = cell_of(NeedsSigma(), task=hidden, assumed="0.05 [0,1]")
    assert run(told).status == "complete"
    assert {problem.sigma_y for problem in Toy.problems} == {0.1}
    assert told.config() == replace(cell_of(NeedsSigma(), task=hidden).config(), assumed="0.05 [0,1]")
    assert measurement_key(told.config()) == measurement_key(cell_of(Toy(), task=hidden).config())


def test_a_solver_may_refuse_a_problem_itself(run: Run) -> None:
    outcome = run(cell_of(Refusing()))
    assert (outcome.status, outcome.reason, Toy.calls) == ("skipped", "it is Sunday", [])


def test_samples_are_recorded_each_and_with_their_mean(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(TwoEvaluations(), samples=3))
    recorded, kept = values_of(tmp_path), images_of(tmp_path)
    assert {sample for _, sample, _ in recorded} == {MEAN, 0, 1, 2}
    assert kept["00000.safetensors"].shape == (3, 3, 16, 16)
    assert recorded["00000", 0, "nfe_forward"] == 2
    assert recorded["00000", MEAN, "nfe_forward"] == 6
    assert run_json(outcome)["cost"]["nfe_forward"] == 4 * 6
    seconds = {r.sample: r.value for r in load_cells(tmp_path)[0].rows if r.metric == "seconds"}
    assert seconds[MEAN] == pytest.approx(seconds[0] + seconds[1] + seconds[2], rel=1e-9)


def test_the_mean_row_scores_the_mean_image(run: Run, tmp_path: Path) -> None:
    cell = cell_of(Toy(), samples=3)
    run(cell)
    from invbench.metrics.distortion import psnr

    recorded, x = values_of(tmp_path), cell.dataset.load("00002")[None]
    samples = images_of(tmp_path)["00002.safetensors"]
    assert len({recorded["00002", s, "psnr"] for s in (0, 1, 2)}) == 3
    expected = psnr(samples.mean(0, keepdim=True).clamp(-1, 1), x, data_range=2.0).item()
    assert recorded["00002", MEAN, "psnr"] == pytest.approx(expected, abs=1e-12)
    assert recorded["00002", MEAN, "psnr"] > max(recorded["00002", s, "psnr"] for s in (0, 1, 2))


def test_the_first_sample_does_not_depend_on_how_many_are_drawn(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy()), out=tmp_path / "one")
    run(cell_of(Toy(), samples=3), out=tmp_path / "three")
    one, three = images_of(tmp_path / "one"), images_of(tmp_path / "three")
    assert all(torch.equal(one[name][0], three[name][0]) for name in one)


def test_forward_evaluations_are_counted_per_image(run: Run, tmp_path: Path) -> None:
    run(cell_of(TwoEvaluations()))
    recorded = values_of(tmp_path)
    assert {v for (_, _, metric), v in recorded.items() if metric == "nfe_forward"} == {2.0}
    assert {v for (_, _, metric), v in recorded.items() if metric == "nfe_backward"} == {0.0}


def test_backward_passes_are_counted_apart(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(OneGradient()))
    assert outcome.status == "complete", outcome.reason
    recorded = values_of(tmp_path)
    assert {v for (_, _, metric), v in recorded.items() if metric == "nfe_forward"} == {1.0}
    assert {v for (_, _, metric), v in recorded.items() if metric == "nfe_backward"} == {1.0}
    assert run_json(outcome)["cost"]["nfe_backward"] == 4


def test_the_truth_cannot_be_reached_from_the_problem(run: Run) -> None:
    cell = cell_of(Toy())
    run(cell)
    truth = [cell.dataset.load(image) for image in cell.dataset.ids()[:4]]
    problem = Toy.problems[0]
    assert {f.name for f in fields(problem)} == {"A", "sigma_y", "task", "dataset", "benchmark", "options"}
    assert isinstance(problem.task, str)
    assert isinstance(problem.dataset, str)

    def reachable(thing: Any) -> Iterator[Any]:
        yield thing
        for value in vars(thing).values() if hasattr(thing, "__dict__") else ():
            yield from reachable(value)

    tensors = [t for t in reachable(problem) if isinstance(t, Tensor)]
    assert tensors
    assert not any(t.numel() == x.numel() and torch.allclose(t.flatten(), x.flatten()) for t in tensors for x in truth)
    assert not any(isinstance(t, (ib.Dataset, ib.Measurement)) for t in reachable(problem))


def test_two_shards_are_the_unsharded_run_bit_for_bit(run: Run, tmp_path: Path) -> None:
    cell = cell_of(CATALOG.get("solver", "ddrm")(nfe=2))
    whole = run(cell, n=10, out=tmp_path / "whole")
    shards = [run(cell, n=10, shard=(i, 2), out=tmp_path / "shards") for i in (1, 0)]
    assert [s.images for s in shards] == [4, 6]
    assert {s.cell for s in shards} == {whole.cell}
    assert_same(tmp_path / "whole", tmp_path / "shards")


def test_a_run_after_its_shards_has_nothing_left_to_do(run: Run) -> None:
    run(cell_of(Toy()), shard=(0, 2))
    run(cell_of(Toy()), shard=(1, 2))
    Toy.calls.clear()
    assert (run(cell_of(Toy())).images, Toy.calls) == (4, [])


def test_the_cell_names_what_determines_its_numbers_and_nothing_else(run: Run, tmp_path: Path) -> None:
    ddrm = CATALOG.get("solver", "ddrm")
    known = run(cell_of(Toy())).cell
    assert known == run(cell_of(Toy()), n=2, batch_size=1, command="other", out=tmp_path / "elsewhere").cell
    others = [cell_of(Toy(), seed=1), cell_of(Toy(), samples=2), cell_of(Toy(), benchmark="gmm2d")]
    others += [cell_of(ddrm(nfe=2)), cell_of(ddrm(nfe=3))]
    cells = {run(cell, n=1).cell for cell in others}
    assert len(cells) == 5
    assert known not in cells


@pytest.fixture(scope="module")
def batched(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """DDRM on 16 photographs in batches of 1, 5 and 16."""
    cell = cell_of(CATALOG.get("solver", "ddrm")(nfe=2), benchmark="photos")
    found = {size: tmp_path_factory.mktemp(f"batch{size}") for size in (1, 5, 16)}
    for size, out in found.items():
        assert run_cell(cell, metrics(), Options(out, n=16, batch_size=size)).status == "complete"
    return found


@pytest.mark.parametrize(("size", "tolerance"), [(5, 1e-4), (1, 1e-4)])
def test_the_batch_size_does_not_change_reconstructions(batched: dict[int, Path], size: int, tolerance: float) -> None:
    some, all_at_once = images_of(batched[size]), images_of(batched[16])
    assert some.keys() == all_at_once.keys()
    assert len(some) == 16
    for name in some:
        torch.testing.assert_close(some[name], all_at_once[name], rtol=0, atol=tolerance)


def test_the_batch_size_does_not_change_records(batched: dict[int, Path]) -> None:
    expected = values_of(batched[16])
    for size in (1, 5):
        assert values_of(batched[size]) == pytest.approx(expected, rel=1e-4)


INTERRUPTED = ["solver=ddrm", "benchmark=gmm", "task=denoise", "n=32", "batch_size=2", "references=false"]


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "invbench.cli", "run", *INTERRUPTED, "solver.nfe=25", f"out={out}"]
    return subprocess.Popen(
        command,
        cwd=out.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # two of them run at once
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    )


def count_images(out: Path) -> int:
    return len(list(out.glob("gmm/denoise/ddrm-*/images/*.safetensors")))


def wait_for_images(process: subprocess.Popen[str], out: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while count_images(out) < count:
        assert process.poll() is None, f"ended before {count} images: {process.communicate()}"
        assert time.monotonic() < deadline, f"no {count} images after a minute"
        time.sleep(0.002)


@dataclass(frozen=True)
class Interruptions:
    out: Path  # interrupted again and again, then run to the end
    uninterrupted: Path
    codes: list[int]
    errors: list[str]


@pytest.fixture(scope="module")
def interruptions(tmp_path_factory: pytest.TempPathFactory) -> Interruptions:
    """A run stopped four times at random moments (killed, interrupted, killed, killed) and one left alone."""
    folder = tmp_path_factory.mktemp("interrupted")
    out, codes, errors = folder / "out", [], []
    alone = start(folder / "alone")
    for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGKILL):
        before = count_images(out)  # of earlier starts: the signal must meet this one at work
        process = start(out)
        wait_for_images(process, out, before + 1)
        time.sleep(random.uniform(0, 0.03))
        process.send_signal(how)
        errors.append(process.communicate(timeout=60)[1])
        codes.append(process.returncode)
    last = start(out)
    for process in (last, alone):
        errors.append(process.communicate(timeout=120)[1])
        codes.append(process.returncode)
    return Interruptions(out, folder / "alone", codes, errors)


@pytest.mark.long
def test_a_run_that_was_killed_three_times_equals_an_uninterrupted_one(interruptions: Interruptions) -> None:
    assert [interruptions.codes[i] for i in (0, 2, 3)] == [-signal.SIGKILL] * 3, "the run ended before it was killed"
    assert interruptions.codes[4:] == [0, 0], interruptions.errors[4:]
    assert_same(interruptions.out, interruptions.uninterrupted)
    assert len(images_of(interruptions.out)) == 32
    assert load_cells(interruptions.out)[0].run.status == "complete"


@pytest.mark.long
def test_ctrl_c_says_that_the_work_is_kept(interruptions: Interruptions) -> None:
    assert interruptions.codes[1] == 130
    assert "interrupted; what was computed is kept, and the same command goes on from there" in interruptions.errors[1]
    assert "Traceback" not in interruptions.errors[1]


@pytest.mark.long
def test_a_second_process_on_the_same_cell_is_told(interruptions: Interruptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = start(out)
    wait_for_images(first, out, 1)
    first.send_signal(signal.SIGSTOP)
    try:
        second = start(out)
        _, error = second.communicate(timeout=60)
    finally:
        first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    assert second.returncode == 1
    assert "error: another process is running this cell" in error
    assert "Traceback" not in error
    assert first.returncode == 0
    assert_same(out, interruptions.uninterrupted)


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


class Spends(Toy):
    """Says that a batch took a second of the network's forward passes, two of its backward, four of the operator."""

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        assert prior.meter is not None
        for watch, seconds in ((prior.meter.network, 1.0), (prior.meter.pullback, 2.0), (prior.meter.operator, 4.0)):
            watch.add(0.0, seconds)
        return super().answer(y, prior, rng)


def test_the_cost_of_a_cell_tells_forward_backward_and_operator_apart(run: Run) -> None:
    cost = run_json(run(cell_of(Spends(), samples=3)))["cost"]
    batches = 2 * 3  # 4 images, 2 at once, three samples of each
    found = [cost[f"{part}_seconds"] / batches for part in ("forward", "backward", "operator")]
    assert found == pytest.approx([1.0, 2.0, 4.0])
    assert 0 < cost["solve_seconds"] < 60, "by the clock, not by what was said"
