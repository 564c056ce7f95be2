"""Hyper-parameters by preset and task: the files we ship are well formed, and what stands in one reaches the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import pytest

from invbench import settings as module
from invbench.errors import ConfigError, PluginError
from invbench.plugins import load_catalog
from invbench.settings import DEFAULT, WRITTEN, Settings, origins, settings, space, tables
from invbench.solver import Trainable

CATALOG = load_catalog()
SOLVERS = {name: plugin.cls for name, plugin in CATALOG.plugins["solver"].items()}
TUNED = [name for name, cls in SOLVERS.items() if tables(cls)]


@dataclass(frozen=True)
class Toy:
    name: ClassVar[str] = "toy"
    lam: float = 1.0
    nfe: int = 5


def write(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> type[Any]:
    """The toy solver with a file of that text beside it."""
    path = folder / "toy.toml"
    path.write_text(text)
    monkeypatch.setattr(module, "_path", lambda cls: path)
    return Toy


def test_solvers_that_can_be_tuned_declare_a_space() -> None:
    untrained = {"daps", "ddnm_plus", "ddrm", "diffpir", "dmps", "dps", "mcg", "pigdm", "red_diff"}
    assert set(TUNED) == {*untrained, "davi", "i2sb", "cddb", "cddb_deep"}
    assert all(space(SOLVERS[name]) for name in TUNED if name != "i2sb"), "whose options are those of its training"


@pytest.mark.parametrize("name", TUNED)
def test_shipped_sets_name_known_places_and_say_how_they_were_found(name: str) -> None:
    cls = SOLVERS[name]
    assert set(space(cls)) <= {f.name for f in fields(cls)}
    for (preset, task, objective), chosen in tables(cls).items():
        assert task in ("", *CATALOG.benchmark(preset).tasks)
        assert cls(**chosen.values), "the values are accepted"
        trained = issubclass(cls, Trainable) and not objective
        if preset in ("ffhq256", "imagenet256") or trained or name == "davi":  # from papers, codes, or by hand
            continue
        words = chosen.origin.partition(" (")[0].split()
        assert words[:3] == ["tuned:", "invbench", "tune"]
        assert {f"solver={name}", f"task={task}"} <= set(words)
        assert preset == "photos" or f"benchmark={preset}" in words
        assert "test" not in chosen.origin
        assert not objective or f"objective={objective}" in words


def test_a_set_with_a_name_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toy = write(
        monkeypatch, tmp_path, '[a.sr4.psnr]\nlam = 3.0\norigin = "tuned: "\n[a]\nlam = 2.0\norigin = "paper"\n'
    )
    assert settings(toy, "a", "sr4").values == {"lam": 2.0}
    assert settings(toy, "a", "sr4", "psnr") == Settings({"lam": 3.0}, "settings=psnr: tuned: ")
    with pytest.raises(ConfigError, match="toy has no set of this name for task sr4 of a; it has: psnr"):
        settings(toy, "a", "sr4", "ssim")
    with pytest.raises(ConfigError, match="it has: none"):
        settings(toy, "a", "deblur", "psnr")


def test_a_set_for_the_task_wins_over_one_for_the_preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = '[a]\nlam = 2.0\norigin = "paper"\n[a.sr4]\nlam = 3.0\norigin = "tuned"\n'
    cls = write(monkeypatch, tmp_path, text)
    assert settings(cls, "a", "sr4") == Settings({"lam": 3.0}, "tuned")
    assert settings(cls, "a", "denoise") == Settings({"lam": 2.0}, "paper")
    assert settings(cls, "b", "sr4") == Settings()
    assert space(cls) == {}


def test_origins_distinguish_the_user_the_file_and_the_default() -> None:
    chosen = Settings({"lam": 3.0}, "tuned")
    assert origins(Toy, chosen, frozenset()) == {"lam": "tuned", "nfe": DEFAULT}
    assert origins(Toy, chosen, frozenset({"lam"})) == {"lam": WRITTEN, "nfe": DEFAULT}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[a]\nlamda = 2.0\norigin = "x"\n', "unknown option of solver toy 'lamda'; did you mean 'lam'"),
        ("[a.sr4]\nlam = 2.0\n", r"\[a.sr4\] needs an origin"),
        ("[a\n", "is not valid TOML"),
    ],
)
def test_a_faulty_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        tables(write(monkeypatch, tmp_path, text))


def test_an_unknown_field_of_the_space_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="did you mean 'lam'"):
        space(write(monkeypatch, tmp_path, "[space]\nlamb = [1.0]\n"))


def test_a_run_takes_the_set_of_its_task_unless_values_are_given(invbench: Callable[..., Any], tmp_path: Path) -> None:
    options = ["benchmark=gmm", "solver=red_diff", "task=colorize", "solver.nfe=2", "n=1", "references=false"]
    for written in ([], ["solver.lam=0.5"]):
        result = invbench("run", *options, *written)
        assert result.returncode == 0, result.stderr
    runs = [json.loads(path.read_text()) for path in (tmp_path / "results/runs/gmm/colorize").glob("*/run.json")]
    origins = {run["config"]["solver"]["lam"]: run["origins"] for run in runs}
    assert set(origins) == {8.0, 0.5}
    assert origins[8.0]["lam"].startswith("tuned: invbench tune benchmark=gmm task=colorize solver=red_diff")
    assert origins[0.5]["lam"] == WRITTEN
    assert origins[8.0]["nfe"] == WRITTEN
    assert origins[8.0]["lr"] == DEFAULT


def test_info_prints_the_sets(invbench: Callable[..., Any]) -> None:
    printed = invbench("info", "dps").stdout
    assert "set by presets:" in printed
    assert "gmm denoise" in printed
    assert "zeta=0.1" in printed
