"""Records as one long table for programs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tabling import METRICS

from invbench.analysis.long_table import long_table
from invbench.store.reader import LoadedCell


def test_as_csv_every_number_has_a_row_with_its_interval(stored: list[LoadedCell], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(long_table(stored, METRICS).render("csv"))))
    psnr = [r for r in rows if r["solver"] == "pinv" and r["task"] == "denoise" and r["metric"] == "psnr"]
    assert [(r["n"], r["better"], r["scores"]) for r in psnr] == [("4", "higher", "one sample")]
    assert float(psnr[0]["low"]) < float(psnr[0]["value"]) < float(psnr[0]["high"])
    assert f"{float(psnr[0]['value']):.2f}" == "20.05"
    assert {"benchmark", "noise", "seed", "protocol", "cell"} <= psnr[0].keys()
    assert {r["task"] for r in rows} == {"denoise", "sr4"}
    assert any(r["scores"] == "all samples" for r in rows)
