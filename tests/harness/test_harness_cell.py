"""What identifies a cell, and what its solver is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from running import CATALOG, Run, Toy, cell_of

import invbench as ib
from invbench.errors import PluginError


def test_the_cell_names_what_determines_its_numbers_and_nothing_else(run: Run, tmp_path: Path) -> None:
    ddrm = CATALOG.get("solver", "ddrm")
    known = run(cell_of(Toy())).cell
    assert known == run(cell_of(Toy()), n=2, batch_size=1, command="other", out=tmp_path / "elsewhere").cell
    others = [cell_of(Toy(), seed=1), cell_of(Toy(), samples=2), cell_of(Toy(), benchmark="gmm2d")]
    others += [cell_of(ddrm(nfe=2)), cell_of(ddrm(nfe=3))]
    cells = {run(cell, n=1).cell for cell in others}
    assert len(cells) == 5
    assert known not in cells


def test_each_precision_is_another_cell() -> None:
    photos, prior = cell_of(Toy(), "photos"), CATALOG.get("prior", "adm_photos")
    names = ("float32", "tf32", "bfloat16", "float16")
    assert len({replace(photos, source=prior(dtype=name)).config().digest() for name in names}) == 4


def test_files_count_by_their_content_and_their_places_are_kept_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"kernel")
    deblur = CATALOG.get("task", "deblur")
    cells = [cell_of(Toy(), task=deblur(kernel=str(tmp_path / name))) for name in ("a", "b")]
    assert cells[0].config() == cells[1].config()
    assert [cell.places() for cell in cells] == [{"task.kernel": str(tmp_path / name)} for name in ("a", "b")]
    (tmp_path / "b").write_bytes(b"another")
    assert cells[0].config() != cells[1].config()


def test_a_solver_is_given_the_level_that_is_assumed() -> None:
    problem = ib.Problem(ib.Identity((1, 2, 2)), None, "denoise", "gmm")
    assert cell_of(Toy()).as_given(problem) is problem
    assert cell_of(Toy(), assumed="0.1 [0,1]").as_given(problem).sigma_y == pytest.approx(0.2)


def test_a_fingerprint_that_is_no_text_is_the_plugins_fault() -> None:
    cell: Any = replace(cell_of(Toy()), source=SimpleNamespace(name="odd", fingerprint=lambda: 7))
    with pytest.raises(PluginError, match="prior odd: expected a text as fingerprint; got a int"):
        cell.config()
