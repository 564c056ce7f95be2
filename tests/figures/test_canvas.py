"""The canvas of figures: series that differ, a style of its own, files that are whole."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest

from invbench.errors import StoreError
from invbench.figures.canvas import COLOURS, MARKERS, STYLE, save, series, sheet, styled


def test_seventy_two_series_differ_and_a_name_keeps_its_own() -> None:
    names = [f"s{i}" for i in range(72)]
    looks = series([*names, "s3"])
    assert len(set(looks.values())) == 72
    assert looks["s3"] == (COLOURS[3], MARKERS[3])


def test_our_style_holds_inside_and_the_callers_outside() -> None:
    @styled
    def drawn() -> float:
        return float(mpl.rcParams["font.size"])

    with mpl.rc_context({"font.size": 31}):
        assert drawn() == STYLE["font.size"]
        assert mpl.rcParams["font.size"] == 31


def test_a_figure_is_written_with_its_folders_as_its_suffix_says(tmp_path: Path) -> None:
    path = save(sheet(1, 1), tmp_path / "a" / "b" / "x.svg")
    assert "<svg" in path.read_text()
    assert save(sheet(1, 1), tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write the figure to .*file/x.png"):
        save(sheet(1, 1), tmp_path / "file" / "x.png")
