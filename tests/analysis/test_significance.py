"""The best of a column, and what does not differ significantly from it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tabling import cell_of, table_of

from invbench.analysis.cell import Cell
from invbench.analysis.columns import Column
from invbench.analysis.rows import Row
from invbench.analysis.significance import SIGNIFICANT, paired_comparisons, significance_notes, with_significance_marks

HIGH, LOW, PLAIN = Column("psnr", "p"), Column("lpips", "p"), Column("nfe", "p")
METRICS: Any = {
    name: SimpleNamespace(higher_is_better=better) for name, better in (("psnr", True), ("lpips", False), ("nfe", None))
}
WAVE = np.array([1.0, -1.0] * 6)


def test_a_p_of_exactly_the_level_is_a_tie() -> None:
    (comparison,) = paired_comparisons([line(3 + WAVE), line(2 - WAVE)], [HIGH], METRICS)
    assert comparison.ties([SIGNIFICANT]) == list(comparison.differences)
    assert comparison.ties([SIGNIFICANT - 1e-9]) == []


def line(values: Sequence[float] | np.ndarray, column: Column = HIGH, images: str = "") -> Row:
    """A row of a table with one column; its images are a, b, ... where none are given."""
    names = images or "abcdefghijklmnop"[: len(values)]
    series = pd.Series(list(values), index=list(names), dtype=float)
    return Row("s", len(series), {column: Cell("text")}, {column: series})


def texts(lines: list[Row], column: Column = HIGH) -> list[str]:
    marked = with_significance_marks(lines, paired_comparisons(lines, [column], METRICS))
    return [str(row.cells[column]) for row in marked]


@pytest.mark.parametrize(("column", "best"), [(HIGH, 1), (LOW, 0)])
def test_the_best_is_the_highest_or_the_lowest_mean(column: Column, best: int) -> None:
    lines = [line(level + WAVE * 0, column) for level in (1.0, 3.0, 2.0)]
    (comparisons,) = paired_comparisons(lines, [column], METRICS)
    assert (comparisons.best, comparisons.n, sorted(comparisons.differences)) == (best, 12, sorted({0, 1, 2} - {best}))
    assert texts(lines, column) == ["text best" if i == best else "text" for i in range(3)]


def test_differences_are_the_best_s_scores_less_the_other_s() -> None:
    (comparisons,) = paired_comparisons([line([1.0, 2.0]), line([4.0, 6.0])], [HIGH], METRICS)
    assert comparisons.differences[0].tolist() == [3.0, 4.0]


def test_without_a_direction_a_second_row_or_a_second_image_there_is_no_best() -> None:
    two = [line([1.0, 2.0]), line([3.0, 4.0])]
    assert len(paired_comparisons(two, [HIGH], METRICS)) == 1, "two rows and two images are enough"
    assert paired_comparisons(two[:1], [HIGH], METRICS) == []
    assert paired_comparisons([line([1.0, 2.0], PLAIN), line([3.0, 4.0], PLAIN)], [PLAIN], METRICS) == []
    assert paired_comparisons(two, [Column("unknown", "p")], METRICS) == []
    assert paired_comparisons([line([1.0]), line([3.0])], [HIGH], METRICS) == []
    assert paired_comparisons([line([1.0, 2.0], images="ab"), line([3.0, 4.0], images="bc")], [HIGH], METRICS) == []


def test_the_best_is_sought_on_the_images_that_every_row_has_a_value_of() -> None:
    lines = [line([1.0, 1.0, 99.0], images="abc"), line([2.0, 2.0, np.nan], images="abc"), line([0, 0, 0, 0.0])]
    (comparisons,) = paired_comparisons(lines, [HIGH], METRICS)
    assert (comparisons.best, comparisons.n) == (1, 2)
    assert not comparisons.can_be_significant


def test_a_row_without_the_column_has_no_part_in_it() -> None:
    lines = [line([9.0, 9.0], LOW), line(1 + WAVE), Row("of sets alone", 2, {HIGH: "text"}, {}), line(5 + WAVE)]
    (comparisons,) = paired_comparisons(lines, [HIGH], METRICS)
    assert (comparisons.best, list(comparisons.differences)) == (3, [1])


def test_ties_are_found_after_the_correction_for_as_many_competitors() -> None:
    """Six differences of one sign have p = 1/32: significant against one competitor, not against two."""
    one = [line([2.0] * 6), line([1.0] * 6)]
    assert texts(one) == ["text best", "text"]
    assert texts([*one, line([1.0] * 6)]) == ["text best", "text", "text"], (
        "so few could show no difference from two: no ties"
    )
    twelve = [line(2 + WAVE * 0), line(1 + WAVE * 0), line(2 - 0.01 + WAVE)]
    assert texts(twelve) == ["text best", "text", "text tie"]
    assert [str(marked_rows.cells[HIGH]) for marked_rows in twelve] == ["text"] * 3, (
        "the lines themselves are left as they are"
    )


def test_each_column_has_its_own_ties() -> None:
    lines = []
    for high, low in ((2.0, 1.0), (1.0, 1.01)):
        both = line(high + WAVE * (high == 1.0) * 0)
        wave = WAVE * (low > 1)
        other = line(low + wave, LOW)
        lines.append(Row("s", 12, {HIGH: Cell("text"), LOW: Cell("text")}, {**both.values, **other.values}))
    marked_rows = with_significance_marks(lines, paired_comparisons(lines, [HIGH, LOW], METRICS))
    assert [(str(s.cells[HIGH]), str(s.cells[LOW])) for s in marked_rows] == [
        ("text best", "text best"),
        ("text", "text tie"),
    ]


def test_notes_say_what_significance_marks_mean_and_of_how_few_images_they_are() -> None:
    assert significance_notes([]) == []
    enough = paired_comparisons([line([2.0] * 6), line([1.0] * 6)], [HIGH], METRICS)
    (only,) = significance_notes(enough)
    assert "p >= 0.05 after Holm's correction" in only
    few = paired_comparisons([line([2.0] * 5), line([1.0] * 5)], [HIGH], METRICS)
    fewer = paired_comparisons([line([2.0] * 3), line([1.0] * 3)], [HIGH], METRICS)
    notes = significance_notes([*enough, *few, *fewer])
    assert notes[1] == "WARNING: 5 images are too few for that test to separate rows; ties are not marked."


def test_the_best_of_a_column_is_named_and_so_are_those_that_do_not_differ_from_it() -> None:
    base = {str(i): 20.0 + i for i in range(12)}
    cells = [
        cell_of({"name": "good"}, {i: v + 1 for i, v in base.items()}, "a"),
        cell_of({"name": "even"}, {i: v + 1 + 0.1 * (-1) ** int(i) - 0.01 for i, v in base.items()}, "b"),
        cell_of({"name": "bad"}, base, "c"),
    ]
    table = table_of(*cells)
    column = {row["solver"]: row["psnr ↑ (dB)"] for row in table.frame.to_dict("records")}
    assert column["good"].endswith(" best")
    assert column["even"].endswith(" tie")
    assert column["bad"].endswith("]")
    assert any("Holm" in note for note in table.notes)


def test_the_best_is_sought_on_the_images_that_all_rows_have() -> None:
    cells = [
        cell_of({"name": "few"}, {"a": 20.0, "b": 21.0}, "a"),
        cell_of({"name": "many"}, {"a": 21.0, "b": 22.0, "c": 1.0, "d": 2.0}, "b"),
    ]
    table = table_of(*cells)
    column = {row["solver"]: row["psnr ↑ (dB)"] for row in table.frame.to_dict("records")}
    assert "best" in column["many"]
    assert "tie" not in column["few"], "no difference of two pairs could be significant"
    assert "WARNING: 2 images are too few for that test to separate rows; ties are not marked." in table.notes


def test_two_copies_of_a_solver_are_called_different_no_more_often_than_stated() -> None:
    rng, different = np.random.default_rng(0), 0
    for _ in range(300):
        scene = rng.normal(25, 4, 16)
        copies = [
            cell_of({"name": name}, {f"{i:02}": v for i, v in enumerate(scene + rng.normal(0, 0.5, 16))}, name)
            for name in ("one", "two", "three")
        ]
        frame = table_of(*copies).frame
        column = next(c for c in frame.columns if c.startswith("psnr"))
        different += not all(text.endswith((" best", " tie")) for text in frame[column])
    assert different / 300 <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5, (
        "the best of three is chosen, which makes it likelier"
    )


INF = np.inf


def test_the_best_of_a_column_differs_from_an_exact_equal_by_nothing() -> None:
    psnr = Column("psnr", "p")

    def line(*values: float) -> Row:
        series = pd.Series(values, index=[str(i) for i in range(len(values))])
        return Row("s", len(values), {psnr: Cell("x")}, {psnr: series})

    lines = [line(*[INF] * 8), line(*[INF] * 8), line(*range(8))]
    comparisons = paired_comparisons(lines, [psnr], METRICS)
    assert comparisons[0].differences[1].tolist() == [0.0] * 8
    assert [str(each.cells[psnr]) for each in with_significance_marks(lines, comparisons)] == ["x best", "x tie", "x"]
