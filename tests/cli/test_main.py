"""The commands, as a user types them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from invbench import __version__
from invbench.cli import main
from invbench.plugins import load_catalog

CATALOG = load_catalog()
NAMES = sorted({name for plugins in CATALOG.plugins.values() for name in plugins} | set(CATALOG.benchmarks))


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_the_version() -> None:
    assert typed("--version").output == f"invbench, version {__version__}\n"


@pytest.mark.parametrize("command", ["", *main.commands])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_says_how_to_use_it(command: str, flag: str) -> None:
    result = typed(*command.split(), flag)
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    assert len(result.output.splitlines()) > 5


def test_help_of_run_lists_plugins_and_options() -> None:
    text = typed("run", "--help").output
    for word in ("ddrm", "sr4", "photos", "adm_photos", "seed=0", "batch_size=16", "shard=0/1", "overwrite=False"):
        assert word in text


def test_an_unknown_command_is_met_with_the_nearest() -> None:
    result = typed("tabel")
    assert result.exit_code == 2
    assert "unknown command 'tabel'; did you mean 'table'?" in result.output


def test_no_command_shows_help() -> None:
    assert "Usage: " in typed().output


@pytest.mark.parametrize("name", NAMES)
def test_info_describes_every_name(name: str) -> None:
    result = typed("info", name)
    assert result.exit_code == 0
    assert name in result.output
    assert len(result.output.splitlines()) >= 3


def test_info_of_a_solver_has_what_a_reader_looks_for() -> None:
    text = typed("info", "ddrm").output
    for word in (
        "solver.nfe=20",
        "solver.eta=0.85",
        "needs: SVDOperator, sigma",
        "arXiv:2201.11793",
        "@inproceedings",
        "Differences",
    ):
        assert word in text


def test_info_of_the_ffhq_prior_reports_both_conventions() -> None:
    text = typed("info", "adm_ffhq256").output
    assert "parameters: 93,563,910" in text
    assert "193.967 GMAC" in text
    assert "194.689 G in fvcore's convention" in text


def test_info_of_an_unknown_name() -> None:
    result = typed("info", "ddrn")
    assert result.exit_code == 2
    assert "did you mean 'ddrm'" in result.output


@pytest.mark.parametrize("kind", ["solver", "solvers", "task", "benchmarks"])
def test_a_list_of_one_kind(kind: str) -> None:
    text = typed("list", kind).output
    assert text.startswith(kind.removesuffix("s") + "s\n")
    assert text.count("\n  ") == len(text.splitlines()) - 1


def test_a_list_of_an_unknown_kind() -> None:
    assert "did you mean 'solver'" in typed("list", "solvr").output


def test_runs_leave_their_results_in_the_current_folder(invbench: Callable[..., Any], tmp_path: Path) -> None:
    result = invbench("run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=4")
    assert result.returncode == 0, result.stderr
    rows = [line.split()[0] for line in result.stdout.splitlines() if re.match(r"\w+ +4 ", line)]
    assert sorted(rows) == ["ddrm", "oracle", "pinv"], "the references stand beside it"
    assert "other " in result.stdout
    figure = re.search(r"^figure: (.*)$", result.stdout, re.M)
    assert figure
    assert (tmp_path / figure[1]).is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results"]

    again = invbench("run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=4")
    same = [line for line in again.stdout.splitlines() if line.startswith(("ddrm ", "pinv "))]
    assert all(line in result.stdout for line in same), "a complete cell is not run again"
    assert "images, already recorded, cell" in again.stderr


def test_a_launcher_free_sweep_prints_one_table_per_measurement(invbench: Callable[..., Any]) -> None:
    result = invbench("run", "solver=pinv,wiener", "benchmark=gmm", "task=denoise", "seed=0,1", "n=2")
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"\| seed 0$", result.stdout, re.M)) == 1
    assert len(re.findall(r"\| seed 1$", result.stdout, re.M)) == 1


def test_the_composed_configuration_can_be_shown(invbench: Callable[..., Any]) -> None:
    result = invbench("run", "solver=ddrm", "task=sr4", "--cfg", "job")
    assert result.returncode == 0
    assert "nfe: 20" in result.stdout
    assert "launcher" not in result.stdout


def test_samples_on_an_exact_tier_print_a_table_with_the_reference_sampler(
    invbench: Callable[..., Any], tmp_path: Path
) -> None:
    """DDRM with two calls is far from the posterior of two pixels; exact samples are not."""
    options = ["benchmark=gmm2d", "task=inpaint_random", "n=8", "samples=16"]
    result = invbench("run", "solver=ddrm", "solver.nfe=2", *options)
    assert result.returncode == 0, result.stderr
    table = invbench("table", "benchmark=gmm2d").stdout
    card = table.partition("| posterior\n")[2]
    for score in ("swd_range", "swd_null", "gap_range", "gap_null", "std_range", "cover_null →0.9", "modes"):
        assert score in card.splitlines()[0]
    rows = {line.split()[0]: line for line in card.splitlines() if line.startswith(("oracle", "ddrm", "pinv"))}
    assert set(rows) == {"oracle", "ddrm"}
    assert "*" in rows["ddrm"]
    assert "*" not in rows["oracle"]
    assert "The row of oracle is the floor" in card
    assert "| samples\n" in table
    chosen = invbench("table", "benchmark=gmm2d", "--metrics", "modes,swd_range").stdout
    assert [line.split()[3:5] for line in chosen.splitlines() if line.startswith("solver")] == [["modes", "↓"]]
    assert "psnr" not in chosen
    figure = next((tmp_path / "results/runs/gmm2d/inpaint_random").glob("figure-*.png"))
    assert figure.stat().st_size > 10_000
