"""What solvers return: their shapes and values, samples, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from running import CATALOG, Run, Toy, cell_of, images_of, metrics, run_json, values_of
from torch import Tensor

import invbench as ib
from invbench.harness.cell import Options
from invbench.harness.runner import run_cell
from invbench.store.files import MEAN
from invbench.store.reader import load_cells


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


def test_a_value_that_is_not_finite_names_its_image_and_keeps_the_others(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(OneNan()), batch_size=3)
    assert outcome.status == "failed"
    assert outcome.reason == (
        "toy returned values that are not finite for 1 of 3 images (00001); the other images are kept"
    )
    assert set(images_of(tmp_path)) == {"00000.safetensors", "00002.safetensors"}
    assert {image for image, _, _ in values_of(tmp_path)} == {"00000", "00002"}
    assert "SolverError" in run_json(outcome)["traceback"]


def test_a_solver_that_differentiates_without_declaring_it_is_refused(run: Run) -> None:
    assert "needs_grad: ClassVar[bool] = True" in run(cell_of(Unsaid())).reason


def test_a_wrong_shape_is_named(run: Run) -> None:
    outcome = run(cell_of(WrongShape()))
    assert outcome.status == "failed"
    assert outcome.reason == "expected toy to return a tensor of shape (2, 3, 16, 16); got one of shape (2, 1, 16, 16)"


def test_a_result_that_is_not_a_tensor_fails_only_its_cell(run: Run) -> None:
    outcome = run(cell_of(NoTensor()))
    assert outcome.status == "failed"
    assert outcome.reason == "expected toy to return a tensor of shape (2, 3, 16, 16); got a NoneType"


def test_samples_are_recorded_each_and_with_their_mean(run: Run, tmp_path: Path) -> None:
    outcome = run(cell_of(TwoEvaluations(), samples=3))
    recorded, tensors = values_of(tmp_path), images_of(tmp_path)
    assert {sample for _, sample, _ in recorded} == {MEAN, 0, 1, 2}
    assert tensors["00000.safetensors"].shape == (3, 3, 16, 16)
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


@pytest.fixture(scope="module")
def batched(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """DDRM on 16 photographs in batches of 1, 5 and 16."""
    cell = cell_of(CATALOG.get("solver", "ddrm")(nfe=2), benchmark="photos")
    folders = {size: tmp_path_factory.mktemp(f"batch{size}") for size in (1, 5, 16)}
    for size, out in folders.items():
        assert run_cell(cell, metrics(), Options(out, n=16, batch_size=size)).status == "complete"
    return folders


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


class Spends(Toy):
    """Says that a batch took a second of the network's forward passes, two of its backward, four of the operator."""

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        assert prior.meter is not None
        for watch, seconds in ((prior.meter.network, 1.0), (prior.meter.pullback, 2.0), (prior.meter.operator, 4.0)):
            watch.add(0.0, seconds)
        return super().answer(y, prior, rng)


def test_the_cost_of_a_cell_separates_forward_backward_and_operator(run: Run) -> None:
    cost = run_json(run(cell_of(Spends(), samples=3)))["cost"]
    batches = 2 * 3  # 4 images, 2 at once, three samples of each
    seconds = [cost[f"{part}_seconds"] / batches for part in ("forward", "backward", "operator")]
    assert seconds == pytest.approx([1.0, 2.0, 4.0])
    assert 0 < cost["solve_seconds"] < 60, "by the clock, not by what was said"


def test_samples_of_few_images_are_drawn_together(run: Run, tmp_path: Path) -> None:
    cell = cell_of(Toy(), samples=5)
    together, alone = (tmp_path / name for name in ("together", "alone"))
    run(cell, n=2, batch_size=4, out=together)
    assert Toy.calls == [4, 4, 2]  # two samples of two images at once
    Toy.calls.clear()
    run(cell, n=2, batch_size=1, out=alone)
    assert Toy.calls == [1] * 10
    assert values_of(together) == pytest.approx(values_of(alone))
    for name, x_hat in images_of(alone).items():
        assert torch.equal(images_of(together)[name], x_hat)
