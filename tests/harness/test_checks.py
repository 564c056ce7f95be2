"""Checks of what the user wrote: unknown names, sweeps, types, launchers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import invbench as ib
from invbench.errors import ConfigError, InvbenchError, PluginError
from invbench.harness import checks
from invbench.harness.checks import check_overrides
from invbench.harness.options import register
from invbench.plugins import Catalog, Plugin, load_catalog

CATALOG = load_catalog()
PLAIN = ["solver=pinv", "task=sr4"]


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


def with_plugins(*classes: tuple[str, type[Any]]) -> Catalog:
    catalog = load_catalog()
    for kind, cls in classes:
        catalog.plugins[kind][cls.name] = Plugin(kind, cls.name, cls, "theirs", "1")
    return catalog


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


def test_a_launcher_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "distributions", lambda: [])
    words = ["solver=pinv,ddrm", "task=sr4", "-m", "hydra/launcher=ray"]
    with pytest.raises(ConfigError, match=r"launcher 'ray' is not installed; pip install 'invbench\[ray\]'"):
        check_overrides(words, load_catalog())
