"""Rows of tables: means, their intervals and deviations, ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace as replace_row
from tabling import METRICS, cell_of

from invbench.analysis.cell import BEST, OTHER, SECOND, Cell
from invbench.analysis.columns import Column
from invbench.analysis.rows import (
    Row,
    Scores,
    by_column,
    columns_of,
    format_mean,
    frame_of,
    mean_and_deviation,
    rows_of,
    with_ranks,
)
from invbench.store.schema import Score

PSNR = Column("psnr", "psnr/p")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 1.0, 1.0], "1.00"),
        ([1.0], "1.00"),
        ([1.0, np.nan], "1.00 (1 nan)"),
        ([np.nan, np.nan], "nan (2 nan)"),
        ([np.inf, 1.0], "inf"),
        ([1.0001, 1.0002], "1.00"),
    ],
)
def test_a_mean_without_a_spread_has_no_interval(values: list[float], text: str) -> None:
    assert str(format_mean(pd.Series(np.array(values)), ".2f")) == text


def test_scores_of_sets_have_their_deviation_over_seeds() -> None:
    def score(value: float) -> Score:
        return Score("fid", "fid/p", "", value, value - 1, value + 1, 9)

    records = cell_of({"name": "a"}).frame
    two = Scores("a", records, [score(3.0)], seeds=[records] * 2, set_seeds=[[score(2.0)], [score(4.0)]])
    cells = [
        rows_of([each], METRICS, "std")[0].cells[Column("fid", "fid/p")] for each in (two, two._replace(set_seeds=[]))
    ]
    assert cells[0].spread.startswith("± 1.41")
    assert cells[1].spread == ""


def test_a_mean_has_its_interval_and_counts_what_it_left_out() -> None:
    text = str(format_mean(pd.Series(np.array([1.0, 2.0, 3.0, 4.0, np.nan])), ".1f"))
    assert text.startswith("2.5 [1.")
    assert text.endswith("] (1 nan)")


def line(label: str, **values: float) -> Row:
    return Row(label, len(values), {PSNR: Cell("x")}, {PSNR: pd.Series(values)})


def test_ranks_are_of_means_on_the_images_that_all_rows_have() -> None:
    rows = with_ranks([line("a", x=1.0, y=9.0), line("b", x=2.0), line("c", x=0.0, y=0.0)], [PSNR], METRICS)
    assert [row.cells[PSNR].rank for row in rows] == [SECOND, BEST, OTHER]
    apart = with_ranks([line("a", x=1.0), line("b", y=2.0)], [PSNR], METRICS)
    assert [row.cells[PSNR].rank for row in apart] == [OTHER, OTHER]
    assert with_ranks([line("a", x=1.0)], [PSNR], METRICS)[0].cells[PSNR].rank == OTHER, "alone it is not best"


def test_images_are_counted_with_their_groups_where_these_are_fewer() -> None:
    assert line("a", x=1.0, y=2.0).count == 2
    assert replace(line("a", x=1.0, y=2.0), clusters=1).count == "2 (1 group)"
    assert replace(line("a", x=1.0, y=2.0, z=3.0), clusters=2).units == 2


def test_a_row_without_a_column_has_a_dash_and_marks_follow_the_text() -> None:
    rows = [line("a", x=1.0).with_marks({PSNR: "best"}), Row("b", 1, {}, {})]
    frame = frame_of(rows, columns_of(rows, METRICS), METRICS)
    assert [str(value) for value in frame["psnr ↑ (dB)"]] == ["x best", "-"]


def test_means_over_samples_are_by_image_and_protocols_stay_apart() -> None:
    first = cell_of(values={"a": 1.0, "b": 2.0})
    rows = [*first.rows, *(replace_row(row, sample=1, value=row.value + 1) for row in first.rows)]
    means = by_column(replace(first, rows=rows).frame)
    assert means[Column("psnr", "psnr/p")].to_dict() == {"a": 1.5, "b": 2.5}
    assert set(means) == {Column("psnr", "psnr/p"), Column("seconds", "seconds")}


@pytest.mark.parametrize(("deviation", "text"), [(1.414, "3.0 ± 1.4"), (np.nan, "3.0")])
def test_a_deviation_stands_beside_its_mean_where_there_is_one(deviation: float, text: str) -> None:
    assert str(mean_and_deviation(pd.Series([2.0, 4.0]), deviation, ".1f")) == text
