"""What cells of one measurement have in common."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs
from tabling import cell_of, complete

from invbench.analysis.group import Group
from invbench.store.reader import LoadedCell


def timed(name: str, seconds: float) -> LoadedCell:
    cell = cell_of({"name": name}, cell=name)
    return replace(
        cell, rows=[structs.replace(row, value=seconds) if row.metric == "seconds" else row for row in cell.rows]
    )


def test_the_fastest_is_first_and_what_has_no_scores_is_left_out() -> None:
    slow, fast, skipped = timed("a", 2.0), timed("b", 1.0), cell_of({"name": "c"}, {}, "c")
    unmeasured = replace(slow, rows=[row for row in timed("d", 0.0).rows if row.metric == "psnr"])
    group = Group([slow, skipped, unmeasured, fast])
    assert [id(cell) for cell in group.scored] == [id(fast), id(slow), id(unmeasured)]


def test_cells_are_comparable_where_all_have_an_image() -> None:
    a, b = complete("a", "t", {"x": 1.0, "y": 2.0}), complete("b", "t", {"y": 1.0})
    c = complete("c", "t", {"x": 1.0})
    assert Group([a, b]).comparable
    assert Group([a]).comparable
    assert not Group([a, b, c]).comparable
    assert Group([a, b, cell_of(values={})]).comparable, "a cell without images is not asked"


def test_labels_tell_the_cells_of_the_group_apart() -> None:
    few, many = complete("a", "t", {"x": 1.0}, nfe=5), complete("a", "t", {"x": 1.0}, nfe=20)
    assert [Group([few, many]).label(cell) for cell in (few, many)] == ["a nfe=5", "a nfe=20"]
    assert Group([few]).label(few) == "a"


def test_without_scores_of_sets_there_is_no_common_set() -> None:
    group = Group([complete("a", "t", {"x": 1.0}), complete("b", "t", {"x": 1.0})])
    assert group.common_sets == {}
    assert group.set_scores(group.cells[0]) == []
