"""Requests for figures: what does not go together, and which cells are meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made import loaded_cell

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.figures.drawing import Request, figure, select
from invbench.plugins import load_catalog


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, "unknown kind of figure 'pie'"),
        ({"cost": "nfe"}, "--cost is the axis of a front; leave it out for grid"),
        ({"kind": "front", "cost": "euros"}, "unknown cost 'euros'"),
        ({"to": Path("x.txt")}, "--to takes a file ending in .png, .pdf, .svg; got x.txt"),
        ({"kind": "errors", "zoom": True}, "--zoom enlarges a part of a grid; leave it out for errors"),
        ({"kind": "bars", "across_machines": True}, "--across-machines is of a scatter; leave it out for bars"),
        ({"kind": "scatter", "images": ("a",)}, "--images chooses pictures; scatter is of all images"),
    ],
)
def test_options_of_another_kind_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Request(**options)


def test_cells_are_chosen_by_solver_or_by_four_characters_of_their_id() -> None:
    ddrm = replace(loaded_cell("b", "t", "ddrm", {}), id="abcd1")
    davi = replace(loaded_cell("b", "t", "davi", {}), id="abce2")
    assert select([ddrm, davi], []) == [ddrm, davi]
    assert select([ddrm, davi], ["davi"]) == [davi]
    assert select([ddrm, davi], ["abcd"]) == [ddrm]
    with pytest.raises(ConfigError, match="unknown solver or cell 'abc'"):
        select([ddrm, davi], ["abc"])
    with pytest.raises(ConfigError, match="unknown solver or cell 'dave'; did you mean 'davi'"):
        select([ddrm, davi], ["dave"])


def test_a_metric_that_no_record_has_is_told_with_what_adds_it(tmp_path: Path) -> None:
    cell = loaded_cell("b", "t", "ddrm", {"psnr": 20.0})
    with pytest.raises(ConfigError, match="unknown metric 'snr'; did you mean 'psnr'.*'invbench rescore' adds"):
        list(figure([cell], load_catalog(), tmp_path, Request(metric="snr")))
    with pytest.raises(ConfigError, match="scatter needs two solvers, for example --solvers davi,ddrm; got 1"):
        list(figure([cell], load_catalog(), tmp_path, Request("scatter", "psnr", ("ddrm",))))


RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_a_damaged_reconstruction_is_named(tmp_path: Path) -> None:
    assert invbench(*RUN, "n=2", f"out={tmp_path}").exit_code == 0
    path = min(tmp_path.glob("*/*/*/images/*.safetensors"))
    path.write_bytes(path.read_bytes()[:20])
    result = invbench("figure", "task=sr4", "--out", tmp_path)
    assert result.exit_code == 2
    assert f"{path} cannot be read" in result.output
