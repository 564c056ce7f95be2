"""Records to tables: what is compared, what differs, and what is said beside it.

The store below ``tests/golden/store`` is fixed. After a wanted change of the layout, ``INVBENCH_GOLDEN=1 pytest
tests/analysis/test_tables.py`` rewrites the renderings; review the difference before committing it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import loaded_cell
from msgspec.structs import replace
from tabling import METRICS, cell_of, table_of

from invbench.analysis.table import FORMATS
from invbench.analysis.tables import build_tables
from invbench.errors import ConfigError
from invbench.store.reader import LoadedCell

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("how", "suffix"), [(how, how.replace("text", "txt")) for how in FORMATS])
def test_tables_look_as_they_did(stored: list[LoadedCell], how: str, suffix: str) -> None:
    rendered = "\n\n".join(table.render(how) for table in build_tables(stored, METRICS)) + "\n"
    path = GOLDEN / f"table.{suffix}"
    if os.environ.get("INVBENCH_GOLDEN"):
        path.write_text(rendered, encoding="utf-8")
    assert rendered == path.read_text(encoding="utf-8")


def test_the_command_prints_the_same_tables(stored: list[LoadedCell], invbench: Callable[..., Any]) -> None:
    result = invbench("table", "task=sr4", "--format", "html", "--out", str(GOLDEN / "store"))
    assert result.returncode == 0
    body = build_tables(stored, METRICS)[1].render("html")
    assert result.stdout[: body.index("<p>")].strip() == body[: body.index("<p>")].strip()


def test_measurements_have_a_table_each(stored: list[LoadedCell]) -> None:
    denoise, sr4 = build_tables(stored, METRICS)
    assert denoise.title.startswith("gmm v1 | denoise | Gaussian noise, sigma 0.2 on [-1,1] = 0.1 on [0,1]")
    assert sr4.title.startswith("gmm v1 | sr4 (factor=4) | Gaussian noise, sigma uniform in 0.01..0.1")


def test_rows_are_in_order_of_cost(stored: list[LoadedCell]) -> None:
    frame = build_tables(stored, METRICS)[0].frame
    assert frame["solver"].tolist() == [
        "pinv",
        "ddrm nfe=5 samples=1",
        "ddrm nfe=20 samples=2",
        "ddrm nfe=20 samples=2, mean of 2",
    ]


def test_different_protocols_never_share_a_column(stored: list[LoadedCell]) -> None:
    frame = build_tables(stored, METRICS)[1].frame.set_index("solver")
    ours, theirs = "psnr/rgb/range2/clip[-1,1]/float ↑ (dB)", "psnr/y/range2/crop4 ↑ (dB)"
    assert {ours, theirs} < set(frame.columns)
    assert "psnr ↑ (dB)" not in frame.columns
    assert frame.loc["guided", theirs] == "-"
    assert frame.loc["pinv", theirs] != frame.loc["pinv", ours] != "-"


def test_cells_with_different_protocols_are_not_averaged() -> None:
    table = table_of(cell_of(), cell_of(cell="beef0000", solver={"name": "z"}, protocol="psnr/q"))
    assert table.frame.filter(like="psnr/").to_numpy().tolist() == [
        ["21.00 [20.00, 22.00]", "-"],
        ["-"] * 1 + ["21.00 [20.00, 22.00]"],
    ]
    assert "Protocols: psnr/p; psnr/q." in table.notes


def test_backward_passes_have_a_column_only_where_there_are_some(stored: list[LoadedCell]) -> None:
    denoise, sr4 = (table.frame for table in build_tables(stored, METRICS))
    assert "NFE backward" not in denoise.columns
    assert sr4.set_index("solver")["NFE backward"].tolist() == ["-", "100"]


def test_shards_are_one_row(stored: list[LoadedCell]) -> None:
    assert build_tables(stored, METRICS)[1].frame.set_index("solver").loc["guided", "n"] == 4


def test_excluded_values_are_counted(stored: list[LoadedCell]) -> None:
    frame = build_tables(stored, METRICS)[0].frame.set_index("solver")
    ssim = next(column for column in frame.columns if column.startswith("ssim"))
    assert frame.loc["ddrm nfe=20 samples=2", ssim].endswith("nan)")
    assert "nan" not in frame.loc["pinv", ssim]


def test_an_excluded_value_of_one_of_several_samples_is_counted() -> None:
    cell = cell_of(config={"samples": 2})
    second = [replace(row, sample=1) for row in cell.rows]
    cell.rows.extend([*second[:-2], replace(second[-2], value=np.nan), second[-1]])
    assert table_of(cell).frame["psnr ↑ (dB)"].tolist()[0].endswith("nan)")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dataset": {"name": "e"}},
        {"prior": {"name": "p", "sha256": "1"}},
        {"task": {"name": "t", "noise": "gaussian 0.2 [-1,1]"}},
        {"benchmark": {"name": "b", "version": 2}},
    ],
)
def test_what_is_not_comparable_is_in_another_table(change: dict[str, Any]) -> None:
    assert len(build_tables([cell_of(), cell_of(config=change)], METRICS)) == 2


def test_a_table_of_skipped_cells_alone_says_so() -> None:
    table = table_of(cell_of(values={}, status="skipped", reason="it is Sunday"))
    for how in FORMATS:
        assert isinstance(table.render(how), str)
    assert "Skipped s: it is Sunday." in table.render()


def test_reasons_are_escaped_in_html() -> None:
    cell = cell_of(values={}, status="failed", reason="TypeError(\"<class 'int'> & co\")")
    assert "<class" not in table_of(cell).render("html")


def test_labels_are_escaped_in_latex() -> None:
    cells = [cell_of(solver={"name": "s", "eta_b": e}, cell=f"{e}") for e in (0, 1)]
    body = [line for line in table_of(*cells).render("latex").splitlines() if not line.startswith("%")]
    assert any(r"eta\_b=0" in line for line in body)


def test_every_line_of_latex_beside_the_table_is_a_comment(stored: list[LoadedCell]) -> None:
    text = build_tables(stored, METRICS)[0].render("latex")
    before, _, rest = text.partition("\\begin{tabular}")
    after = rest.partition("\\end{tabular}")[2]
    assert all(line.startswith("%") for line in (before + after).splitlines() if line)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown table format 'latx'; did you mean 'latex'"):
        table_of(cell_of()).render("latx")


def test_a_score_of_sets_is_not_to_be_had_of_one_image() -> None:
    from invbench.metrics.kernel import KidAlex

    for n, advice in ((1, "there is one; run more"), (2, "run 'invbench rescore'")):
        cell = loaded_cell("photos", "sr4", "ddrm", {"psnr": 20.0}, n)
        (table,) = build_tables([cell], {**METRICS, "kid_alex": KidAlex}, only=["kid_alex"])
        assert advice in str(table.frame["kid_alex ↓"][0])


def test_columns_can_be_chosen_and_one_that_is_not_there_says_how_to_get_it() -> None:
    from invbench.metrics.perceptual import LPIPSVgg

    (table,) = build_tables([cell_of()], {**METRICS, "lpips_vgg": LPIPSVgg}, only=["lpips_vgg", "psnr"])
    row = table.frame.to_dict("records")[0]
    assert list(row) == ["solver", "n", "lpips_vgg ↓", "psnr ↑ (dB)"]
    assert row["lpips_vgg ↓"] == "not available: run 'invbench fetch lpips_vgg', then 'invbench rescore'"
    assert not [note for note in table.notes if "kid_alex" in note or "ssim" in note], "notes are of what is shown"
    with pytest.raises(ConfigError, match="did you mean 'psnr'"):
        build_tables([cell_of()], METRICS, only=["pnsr"])
