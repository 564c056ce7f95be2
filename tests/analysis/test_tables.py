"""Records to tables: what is compared, what differs, and what is said beside it.

The store below ``tests/golden/store`` is fixed. After a wanted change of the layout, ``INVBENCH_GOLDEN=1 pytest
tests/analysis/test_tables.py`` rewrites the renderings; review the difference before committing it.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import loaded_cell
from msgspec.structs import asdict, replace
from tabling import METRICS, cell_of, notes_of, table_of

from invbench.analysis.long_table import long_table
from invbench.analysis.rows import format_mean
from invbench.analysis.table import FORMATS
from invbench.analysis.tables import build_tables
from invbench.errors import ConfigError
from invbench.store.fingerprint import Fingerprint
from invbench.store.reader import LoadedCell, load_cells

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[LoadedCell]:
    """The cells of the fixed store, with the paths that a user in its parent folder would see."""
    monkeypatch.chdir(GOLDEN)
    return load_cells(Path("store"))


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


def test_skipped_failed_incomplete_and_damaged_are_said(stored: list[LoadedCell]) -> None:
    notes = build_tables(stored, METRICS)[0].notes
    assert "Skipped wiener: needs the noise level; task 'denoise' hides it." in notes
    failed = "store/gmm/denoise/boom_theirs-eeeeeeeeeeee/run.json"
    assert f"FAILED boom_theirs: RuntimeError('out of ideas') (traceback in {failed})." in notes
    assert "Incomplete ddrm nfe=5 samples=1: interrupted; run the same command to resume." in notes
    assert "ddrm nfe=5 samples=1: 1 damaged line of its records was left out." in notes


def test_same_bytes_are_confirmed() -> None:
    assert "every row saw the same bytes for the same image" in notes_of(cell_of(), cell_of(solver={"name": "z"}))
    assert "WARNING" not in notes_of(cell_of(), cell_of(values={"a": 1.0}, solver={"name": "z"}))


def test_different_bytes_are_a_warning() -> None:
    notes = notes_of(cell_of(), cell_of(y="1", cell="beef0000", solver={"name": "z"}))
    assert "WARNING: rows saw different measurements" in notes
    assert "not comparable" in notes
    assert "which records without fingerprints cannot say" in notes
    assert "every row saw the same bytes" not in notes


def test_last_bits_are_said_once_and_other_measurements_are_a_warning() -> None:
    def cell(name: str, y: str, norm: float) -> LoadedCell:
        loaded = cell_of(y=y, cell=name * 8, solver={"name": name})
        there = Fingerprint((1.0, 0.5), (norm, 0.25))
        rows = [replace(row, y=there) for row in loaded.rows]
        return LoadedCell(loaded.id, loaded.run, rows, loaded.folders, 0)

    near = notes_of(cell("a", "0", 2.0), cell("b", "1", 2.00001), cell("c", "2", 2.0))
    assert near.count("differ in last bits") == 1
    assert "WARNING" not in near.replace("WARNING: intervals", "").replace("WARNING: 2 images", "")
    far = notes_of(cell("a", "0", 2.0), cell("b", "1", 2.001))
    assert "WARNING: rows saw different measurements" in far


def test_the_digest_does_not_depend_on_the_solvers() -> None:
    def digest(*cells: LoadedCell) -> str:
        return next(note for note in table_of(*cells).notes if note.startswith("Measurements"))

    assert digest(cell_of()) == digest(cell_of(solver={"name": "z"}), cell_of())
    assert digest(cell_of()) != digest(cell_of(y="1"))


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


def test_a_failed_shard_is_not_hidden_by_a_complete_one(tmp_path: Path) -> None:
    import json
    import shutil

    shutil.copytree(GOLDEN / "store" / "gmm" / "sr4", tmp_path / "gmm" / "sr4")
    path = tmp_path / "gmm" / "sr4" / "guided-111111111111.shard-1-of-2" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed", "reason": "ValueError('no')"}))
    notes = notes_of(*load_cells(tmp_path))
    assert "FAILED guided: ValueError('no')" in notes
    assert str(path) in notes


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


def test_a_mean_has_its_interval_and_counts_what_it_left_out() -> None:
    text = str(format_mean(pd.Series(np.array([1.0, 2.0, 3.0, 4.0, np.nan])), ".1f"))
    assert text.startswith("2.5 [1.")
    assert text.endswith("] (1 nan)")


def test_no_records_name_the_command_that_makes_some(invbench: Callable[..., Any]) -> None:
    result = invbench("table", "task=sr4")
    assert result.returncode == 2
    message = "error: no records of task=sr4 in results/runs; make some with 'invbench run solver=ddrm task=sr4'"
    assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "txt"], "unknown table format 'txt'; did you mean 'text'"),
        (["sr4"], "expected benchmark=..., task=..."),
        (["tsk=sr4"], "got 'tsk=sr4'"),
    ],
)
def test_wrong_words_are_a_message(invbench: Callable[..., Any], words: list[str], message: str) -> None:
    result = invbench("table", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_noise_is_a_filter_too(invbench: Callable[..., Any], tmp_path: Path) -> None:
    for noise in ("gaussian 0.05 [-1,1]", "poisson 30.0"):
        cell = loaded_cell("photos", "sr4", "ddrm", {"psnr": 24.0}, noise=noise)
        folder = tmp_path / "photos" / "sr4" / f"ddrm-{noise[:4]}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**cell.run.plain(), "cell": noise}))
        (folder / "records.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in cell.rows))
    text = invbench("table", "noise=poisson 30", "--out", str(tmp_path)).stdout
    assert "Poisson" in text
    assert "Gaussian" not in text


def test_as_csv_every_number_has_a_row_with_its_interval(stored: list[LoadedCell], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(long_table(stored, METRICS).render("csv"))))
    psnr = [r for r in rows if r["solver"] == "pinv" and r["task"] == "denoise" and r["metric"] == "psnr"]
    assert [(r["n"], r["better"], r["scores"]) for r in psnr] == [("4", "higher", "one sample")]
    assert float(psnr[0]["low"]) < float(psnr[0]["value"]) < float(psnr[0]["high"])
    assert f"{float(psnr[0]['value']):.2f}" == "20.05"
    assert {"benchmark", "noise", "seed", "protocol", "cell"} <= psnr[0].keys()
    assert {r["task"] for r in rows} == {"denoise", "sr4"}
    assert any(r["scores"] == "all samples" for r in rows)


def test_columns_can_be_chosen_and_one_that_is_not_there_says_how_to_get_it() -> None:
    from invbench.metrics.perceptual import LPIPSVgg

    (table,) = build_tables([cell_of()], {**METRICS, "lpips_vgg": LPIPSVgg}, only=["lpips_vgg", "psnr"])
    row = table.frame.to_dict("records")[0]
    assert list(row) == ["solver", "n", "lpips_vgg ↓", "psnr ↑ (dB)"]
    assert row["lpips_vgg ↓"] == "not available: run 'invbench fetch lpips_vgg', then 'invbench rescore'"
    assert not [note for note in table.notes if "kid_alex" in note or "ssim" in note], "notes are of what is shown"
    with pytest.raises(ConfigError, match="did you mean 'psnr'"):
        build_tables([cell_of()], METRICS, only=["pnsr"])
