"""What cells of one measurement have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from msgspec import structs
from tabling import cell_of, complete

from invbench.analysis.group import Group
from invbench.store.files import images_digest
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


def test_scores_of_sets_are_those_of_the_common_set_or_else_a_cell_s_own(tmp_path: Path) -> None:
    def scored(name: str, *sets: str) -> LoadedCell:
        cell, folder = complete(name, "t", dict.fromkeys("xyz", 1.0)), tmp_path / name
        folder.mkdir()
        score = {"metric": "fid", "protocol": "fid/p", "low": 0.0, "high": 9.0}
        content = {
            images_digest(s): {"images": list(s), "scores": [{**score, "value": len(s)}]} for s in map(list, sets)
        }
        (folder / "sets.json").write_text(json.dumps(content))
        return replace(cell, folders=(folder,))

    more, fewer, other = scored("a", "xyz", "xy"), scored("b", "xy"), scored("c", "z")
    assert [s.value for s in Group([more]).set_scores(more)] == [3]
    assert [s.value for s in Group([more, fewer]).set_scores(more)] == [2]
    assert [s.value for s in Group([fewer, other]).set_scores(other)] == [1], "no set is common"


def test_without_scores_of_sets_there_is_no_common_set() -> None:
    group = Group([complete("a", "t", {"x": 1.0}), complete("b", "t", {"x": 1.0})])
    assert group.common_sets == {}
    assert group.set_scores(group.cells[0]) == []
