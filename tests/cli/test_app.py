"""The commands, as a user types them."""

from __future__ import annotations

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
