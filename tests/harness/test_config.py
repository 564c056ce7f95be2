"""From what the user wrote to a cell, and the messages for what cannot be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest
from hydra import compose, initialize

import invbench as ib
from invbench.errors import ConfigError, InvbenchError, PluginError
from invbench.harness import checks
from invbench.harness.cell import Cell
from invbench.harness.checks import check_overrides
from invbench.harness.config import Choice, build, parse_shard
from invbench.harness.nodes import make
from invbench.harness.options import GROUPS, HELP, RunConfig, register
from invbench.noise import canonical
from invbench.plugins import Catalog, Plugin, load_catalog

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
    ("overrides", "error", "message"),
    [
        (["solver=ddrn", "task=sr4"], PluginError, "unknown solver 'ddrn'; did you mean 'ddrm'"),
        (["solver=ddrm", "task=sr5"], PluginError, "unknown task 'sr5'; did you mean 'sr4'?"),
        ([*PLAIN, "dataset=photo"], PluginError, "unknown dataset 'photo'; did you mean 'photos'?"),
        ([*PLAIN, "benchmark=gm"], PluginError, "unknown benchmark 'gm'; did you mean 'gmm'"),
        ([*PLAIN, "prior=adm_fotos"], PluginError, "unknown prior 'adm_fotos'; did you mean 'adm_photos'"),
        ([*PLAIN, "sede=1"], ConfigError, "unknown option 'sede'; did you mean 'seed'?"),
        ([*PLAIN, "solvr=pinv"], ConfigError, "unknown option 'solvr'; did you mean 'solver'"),
        (["solver=ddrm", "task=sr4", "solver.nfes=5"], ConfigError, "of solver ddrm 'nfes'; did you mean 'nfe'?"),
        ([*PLAIN, "task.facto=2"], ConfigError, "unknown option of task sr4 'facto'; did you mean 'factor'?"),
        ([*PLAIN, "dataset.splt=tune"], ConfigError, "unknown option of dataset photos 'splt'; did you mean 'split'?"),
        ([*PLAIN, "prior.weight=x"], ConfigError, "of prior adm_photos 'weight'; did you mean 'weights'?"),
        ([*PLAIN, "sover.nfe=1"], ConfigError, "unknown option 'sover'; did you mean 'solver'?"),
        (["task=sr4"], ConfigError, "expected solver=NAME. Available: bicubic, "),
        (["solver=pinv"], ConfigError, "expected task=NAME. Available: colorize"),
        ([], ConfigError, "expected solver=NAME"),
        (
            ["ddrm", "sr4"],
            ConfigError,
            "expected key=value, got 'ddrm'; for example: invbench run solver=ddrm task=sr4",
        ),
        (["solver=pinv,ddrn", "task=sr4"], PluginError, "unknown solver 'ddrn'"),
        (["solver=ddrm,wiener", "task=sr4", "solver.nfe=5"], ConfigError, "unknown option of solver wiener 'nfe'"),
    ],
)
def test_what_is_unknown_is_refused_with_a_suggestion(
    overrides: list[str], error: type[InvbenchError], message: str
) -> None:
    with pytest.raises(error) as caught:
        check_overrides(overrides, CATALOG)
    assert message in str(caught.value)


def test_names_are_checked_without_loading_torch() -> None:
    code = (
        "import sys; from invbench.cli import main\n"
        "try: main(['run', 'solver=ddrm', 'task=sr4', 'solver.nfes=5'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "2 False\n"
    assert "did you mean 'nfe'" in result.stderr


@pytest.mark.parametrize("overrides", [["--cfg", "job"], ["-c", "job"]])
def test_hydra_options_take_a_value(overrides: list[str]) -> None:
    assert check_overrides([*overrides, *PLAIN], CATALOG) == [*overrides, *PLAIN]


def test_hydra_keys_and_flags_pass() -> None:
    extra = ["hydra.verbose=true", "+hydra.job.env_set.X=1", "hydra/launcher=basic", "-m"]
    assert check_overrides([*PLAIN, *extra], CATALOG) == [extra[-1], *PLAIN, *extra[:-1]]


@pytest.mark.parametrize("extra", ["seed=0,1", "task.factor=2,4", "dataset=photos,gmm"])
def test_several_values_make_a_sweep(extra: str) -> None:
    assert check_overrides([*PLAIN, extra], CATALOG) == ["-m", *PLAIN, extra]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_sweep_that_is_written_is_not_written_twice(flag: str) -> None:
    assert check_overrides([*PLAIN, "seed=0,1", flag], CATALOG) == [flag, *PLAIN, "seed=0,1"]


@pytest.mark.parametrize("extra", ["task.noise=gaussian 0.1 [0,1]", "task.noise='gaussian 0.1 [0,1]'", "seed=0"])
def test_a_comma_within_a_value_makes_no_sweep(extra: str) -> None:
    assert "-m" not in check_overrides([*PLAIN, extra], CATALOG)


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


@pytest.mark.parametrize("text", ["samples=0", "batch_size=0", "n=-1", "samples=-2"])
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


def test_a_wrong_value_names_the_plugin() -> None:
    with pytest.raises(ConfigError, match="solver ddrm: .*unexpected keyword argument 'steps'"):
        make(CATALOG.get("solver", "ddrm"), {"steps": 3}, "solver")
    with pytest.raises(ConfigError, match=r"wiener: tau must be positive; got -1\.0"):
        cell_of("solver=wiener", "task=sr4", "solver.tau=-1")


def test_every_option_has_a_line_of_help() -> None:
    assert set(HELP) == {f.name for f in fields(RunConfig)} - {"defaults", "hydra", "benchmark", *GROUPS}


@dataclass(frozen=True)
class Unreadable(ib.Solver):
    """A field whose type cannot be written on a command line."""

    name: ClassVar[str] = "unreadable"
    source: complex = 1j

    def solve(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def with_plugins(*classes: tuple[str, type[Any]]) -> Catalog:
    catalog = load_catalog()
    for kind, cls in classes:
        catalog.plugins[kind][cls.name] = Plugin(kind, cls.name, cls, "theirs", "1")
    return catalog


def test_a_field_of_a_type_that_cannot_be_configured_is_refused_when_asked_for() -> None:
    catalog = with_plugins(("solver", Unreadable))
    register(catalog)
    with pytest.raises(PluginError, match=r"Unreadable cannot be configured: .*Its fields must be of plain types"):
        check_overrides(["solver=unreadable", "task=sr4"], catalog)
    assert check_overrides(PLAIN, catalog) == PLAIN


def test_a_preset_whose_prior_is_absent_is_refused_only_when_asked_for() -> None:
    @dataclass(frozen=True)
    class Orphan(CATALOG.get("dataset", "gmm")):  # type: ignore[misc]
        name: ClassVar[str] = "orphan"
        benchmark: ClassVar[ib.Benchmark] = ib.Benchmark("orphan", 1, "lost_prior", "a preset without a prior", 4)

    catalog = with_plugins(("dataset", Orphan))
    register(catalog)
    assert check_overrides(PLAIN, catalog) == PLAIN
    with pytest.raises(PluginError, match="unknown prior 'lost_prior'"):
        check_overrides([*PLAIN, "benchmark=orphan"], catalog)


def test_a_wrong_type_is_a_message(invbench: Callable[..., Any]) -> None:
    result = invbench("run", *PLAIN, "n=many")
    assert result.returncode != 0
    assert "n: expected a value of type int, got 'many'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*PLAIN, "n=many"], "n: expected a value of type int, got 'many'"),
        ([*PLAIN, "seed=0,one"], "seed: expected a value of type int, got 'one'"),
        ([*PLAIN, "references=maybe"], "references: expected a value of type bool, got 'maybe'"),
        (["solver=ddrm", "task=sr4", "solver.nfe=2.5"], "solver.nfe: expected a value of type int, got '2.5'"),
        ([*PLAIN, "task.factor=four"], "task.factor: expected a value of type int, got 'four'"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_before_any_work(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_overrides(overrides, CATALOG)
    assert str(caught.value) == message


def test_an_unknown_device_is_a_message(invbench: Callable[..., Any]) -> None:
    result = invbench("run", *PLAIN, "n=1", "device=abacus")
    assert result.returncode == 1
    assert "error: device 'abacus' is not available" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_launcher_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "distributions", lambda: [])
    words = ["solver=pinv,ddrm", "task=sr4", "-m", "hydra/launcher=ray"]
    with pytest.raises(ConfigError, match=r"launcher 'ray' is not installed; pip install 'invbench\[ray\]'"):
        check_overrides(words, load_catalog())
