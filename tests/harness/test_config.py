"""From what the user wrote to a cell, and the messages for what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hydra import compose, initialize

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.harness.cell import Cell
from invbench.harness.checks import check_overrides
from invbench.harness.config import Choice, build, parse_shard
from invbench.harness.nodes import make
from invbench.harness.options import GROUPS, register
from invbench.noise import canonical
from invbench.plugins import load_catalog
from invbench.store.reader import load_cells

CATALOG = load_catalog()
PLAIN = ["solver=pinv", "task=sr4"]


def cell_of(*overrides: str, solver: str | None = None) -> Cell:
    """The cell of a command line."""
    ready = check_overrides(overrides, CATALOG)
    register(CATALOG)
    with initialize(version_base="1.3", config_path=None):
        config = compose("run", ready, return_hydra_config=True)
    names = {k: config.hydra.runtime.choices[k] for k in ("benchmark", *GROUPS)}
    written = frozenset(text.partition("=")[0] for text in overrides)
    cell: Cell = build(Choice.of(names, config, written), CATALOG, solver)
    return cell


@pytest.mark.parametrize(
    "text", ["gaussian 0.1 [0,1]", "uniform 0.01..0.1 [-1,1]", "poisson 1.0", "'gaussian 0.1 [0,1]'"]
)
def test_values_with_blanks_reach_the_task_whole(text: str) -> None:
    assert cell_of(*PLAIN, f"task.noise={text}").task.noise == canonical(text.strip("'"))


@pytest.mark.parametrize("root", ["my pictures", "a=b", "v1.2", "plain/below", "~/x", "with (brackets)"])
def test_folders_are_taken_as_written(root: str) -> None:
    assert cell_of(*PLAIN, "dataset=folder", f"dataset.root={root}").dataset.root == root  # type: ignore[attr-defined]


def test_a_task_takes_the_class_default_where_nothing_is_said() -> None:
    assert vars(cell_of("solver=pinv", "task=sr4", "benchmark=gmm").task)["noise"] == "gaussian 0.05 [-1,1]"


def test_the_preset_wins_over_the_class_default() -> None:
    inpaint = CATALOG.get("task", "inpaint")
    assert inpaint().box == 128
    assert vars(cell_of("solver=pinv", "task=inpaint").task)["box"] == 32
    assert vars(cell_of("solver=pinv", "task=inpaint", "benchmark=gmm").task)["box"] == 8


def test_the_user_wins_over_the_preset() -> None:
    task = cell_of("solver=pinv", "task=inpaint", "task.box=20", "task.noise=gaussian 0.3 [-1,1]").task
    assert (vars(task)["box"], task.noise) == (20, "gaussian 0.3 [-1,1]")


def test_the_user_may_write_the_class_default_against_the_preset() -> None:
    assert vars(cell_of("solver=pinv", "task=inpaint", "task.box=128").task)["box"] == 128


def test_every_preset_names_fields_of_its_tasks() -> None:
    for benchmark in CATALOG.benchmarks.values():
        for name, values in benchmark.tasks.items():
            assert make(CATALOG.get("task", name), values, "task")
        assert set(benchmark.main_tasks) <= set(benchmark.tasks)
        assert CATALOG.get("prior", benchmark.prior)


@pytest.mark.parametrize("preset", ["photos", "gmm", "gmm2d"])
def test_the_benchmark_brings_its_dataset_and_prior(preset: str) -> None:
    cell = cell_of("solver=pinv", "task=denoise", f"benchmark={preset}")
    assert cell.dataset.name == cell.benchmark.name == preset
    assert cell.source.name == cell.benchmark.prior


def test_dataset_and_prior_can_be_chosen_apart_from_the_benchmark() -> None:
    cell = cell_of("solver=pinv", "task=sr4", "dataset=gmm", "prior=gmm", "dataset.size=3")
    assert (cell.benchmark.name, cell.dataset.name, cell.source.name) == ("photos", "gmm", "gmm")
    assert len(cell.dataset.ids()) == 3


def test_options_of_a_solver_reach_it() -> None:
    solver = cell_of("solver=ddrm", "task=sr4", "solver.nfe=7", "solver.eta=0.5").solver
    assert vars(solver) == {"nfe": 7, "eta": 0.5, "eta_b": 1.0}


def test_a_reference_has_default_fields_and_the_same_measurements() -> None:
    words = ["solver=ddrm", "task=inpaint", "task.box=20", "seed=3", "benchmark=gmm", "solver.eta=0.5"]
    cell, reference = cell_of(*words), cell_of(*words, solver="oracle")
    assert reference.solver == CATALOG.get("solver", "oracle")()
    assert (reference.task, reference.dataset, reference.source) == (cell.task, cell.dataset, cell.source)
    assert (reference.seed, reference.benchmark) == (3, cell.benchmark)


def test_a_reference_does_not_get_options_of_the_solver() -> None:
    assert (
        cell_of("solver=ddrm", "task=sr4", "solver.eta=0.5", solver="wiener").solver
        == CATALOG.get("solver", "wiener")()
    )


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ("0.05", "noise '0.05' has no model and no unit"),
        ("gaussian 0.05", "has no unit; write '0.05 [-1,1]' or '0.05 [0,1]'"),
        ("gaussian -0.1 [-1,1]", "must be finite and not negative; got -0.1"),
        ("gaussian nan [-1,1]", "must be finite and not negative; got nan"),
        ("gaussian 0.1 [0,255]", "unknown unit of a noise level '[0,255]'"),
        ("gausian 0.1 [-1,1]", "unknown noise model 'gausian'; did you mean 'gaussian'?"),
        ("gaussian little [-1,1]", "a noise level must be a number; got 'little'"),
        ("poisson 0", "needs a positive rate"),
        ("uniform 0.1..0.01 [-1,1]", "needs low <= high"),
        ("uniform 0.1 [-1,1]", "is written 'uniform 0.01..0.1 [-1,1]'"),
    ],
)
def test_a_noise_level_that_means_nothing_is_refused(noise: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cell_of(*PLAIN, f"task.noise={noise}")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["samples=0", "batch_size=0", "n=-1", "samples=-2", "seed=-1"])
def test_counts_must_make_sense(text: str) -> None:
    with pytest.raises(ConfigError, match=text.partition("=")[0]):
        cell_of(*PLAIN, text)


@pytest.mark.parametrize(("text", "expected"), [("0/1", (0, 1)), ("3/4", (3, 4)), ("00/2", (0, 2))])
def test_a_shard_is_i_of_k(text: str, expected: tuple[int, int]) -> None:
    assert parse_shard(text) == expected


@pytest.mark.parametrize("text", ["", "1", "2/2", "1/0", "-1/2", "a/b", "1/2/3", " 0/1", "0/1 "])
def test_an_invalid_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="shard must be i/k with 0 <= i < k, for example 0/4; got"):
        parse_shard(text)


def test_a_wrong_type_is_a_message(invbench: Callable[..., Any]) -> None:
    result = invbench("run", *PLAIN, "n=many")
    assert result.returncode != 0
    assert "n: expected a value of type int, got 'many'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_device_is_a_message(invbench: Callable[..., Any]) -> None:
    result = invbench("run", *PLAIN, "n=1", "device=abacus")
    assert result.returncode == 1
    assert "error: device 'abacus' is not available" in result.stderr
    assert "Traceback" not in result.stderr


RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_a_noise_level_is_one_experiment_however_it_is_written(tmp_path: Path) -> None:
    for text in ("gaussian 0.1 [-1,1]", "gaussian 0.05 [0,1]", "gaussian  0.10 [-1, 1]"):
        assert invbench(*RUN, f"task.noise='{text}'", "n=2", f"out={tmp_path}").exit_code == 0
    assert len(load_cells(tmp_path)) == 1
    assert invbench("table", "noise=gaussian 0.05 [0,1]", "--out", tmp_path).exit_code == 0


def test_noise_levels_are_swept_as_other_options_are(tmp_path: Path) -> None:
    result = invbench(*RUN, "task.noise=gaussian 0.1 [-1,1],gaussian 0.2 [-1,1]", "n=2", f"out={tmp_path}")
    assert result.exit_code == 0, result.output
    assert sorted(c.run.config.task.noise for c in load_cells(tmp_path)) == [
        "gaussian 0.1 [-1,1]",
        "gaussian 0.2 [-1,1]",
    ]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("solvr=pinv", "solver"), ("+expriment=mine", "+experiment"), ("hydra/luncher=joblib", "launcher")],
)
def test_a_group_that_is_misspelt_is_named_before_one_that_is_missing(word: str, meant: str) -> None:
    result = invbench("run", "task=denoise", word)
    assert result.exit_code == 2
    assert f"did you mean '{meant}'" in result.output


def test_an_invalid_shard_is_refused_once() -> None:
    result = invbench("run", "task=denoise", "solver=pinv", "shard=3/2")
    assert result.exit_code == 2
    assert result.output == "error: shard must be i/k with 0 <= i < k, for example 0/4; got '3/2'\n"


def test_options_are_written_without_dashes() -> None:
    result = invbench(*RUN, "--n=2")
    assert result.exit_code == 2
    assert "options are written without dashes: n=2" in result.output


@pytest.mark.parametrize("name", ["ph(1)", "a'b", "some where"])
def test_a_folder_may_have_any_name(images: Path, tmp_path: Path, name: str) -> None:
    folder = images.rename(tmp_path / name)
    result = invbench(*RUN, "dataset=folder", f"dataset.root={folder}", "n=2", f"out={tmp_path / 'out'}")
    assert result.exit_code == 0, result.output
