"""A table of many records, against reading the same lines with json; INVBENCH_RECORDS=1001000 for a million of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from invbench.store.files import LAST, Record
from invbench.store.writer import CellStore

SOLVERS, IMAGES, METRICS = 13, 1000, ("psnr", "ssim", "haarpsi", "consistency", "seconds", "nfe_forward", LAST)
SIGMAS = range(1, 1 + max(1, int(os.environ.get("INVBENCH_RECORDS", 91_000)) // (SOLVERS * IMAGES * len(METRICS))))


def store(out: Path) -> int:
    """Cells of solvers that differ a little, on as many measurements as there are noise levels; returns the rows."""
    rng = np.random.default_rng(0)
    names = {k: {"name": k, "version": 1, "sha256": "0" * 64} for k in ("benchmark", "dataset", "prior")}
    for sigma in SIGMAS:
        hard = rng.normal(size=IMAGES)
        for solver in range(SOLVERS):
            cell, task = f"{sigma:02d}{solver:02d}", {"name": "sr4", "noise": f"gaussian {sigma / 100} [-1,1]"}
            config = {**names, "task": task, "solver": {"name": f"solver{solver}"}, "seed": 0, "samples": 1}
            values = hard + 0.05 * solver + rng.normal(size=(len(METRICS), IMAGES))
            rows = [
                Record(cell, f"image_{i:05d}", 0, m, f"{m}/rgb/clip[-1,1]/float", float(v), "dB", f"{sigma}-{i:062d}")
                for i in range(IMAGES)
                for m, v in zip(METRICS, values[:, i], strict=True)
            ]
            run = {"format": 2, "cell": cell, "config": config, "status": "complete", "reason": None, "sessions": []}
            CellStore(out / "benchmark" / "sr4" / f"solver{solver}-{cell}").replace(rows, run, {})
    return len(SIGMAS) * SOLVERS * IMAGES * len(METRICS)


def test_a_table_takes_less_than_twice_as_long_as_parsing_its_records(tmp_path: Path) -> None:
    rows, paths = store(tmp_path), list(tmp_path.rglob("records.jsonl"))
    begin = time.perf_counter()
    for path in paths:
        [json.loads(line) for line in path.read_bytes().splitlines()]
    parsing = time.perf_counter() - begin
    command = [sys.executable, "-m", "invbench.cli", "table", "--out", str(tmp_path)]
    begin = time.perf_counter()
    subprocess.run([*command, "task=none"], capture_output=True, check=False)  # what it takes to start and find nothing
    starting = time.perf_counter() - begin
    begin = time.perf_counter()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    table = time.perf_counter() - begin
    print(f"\n{rows:,} records: table {table:.2f} s, of which to start {starting:.2f} s; json alone {parsing:.2f} s")
    assert text.count(" best") == 3 * len(SIGMAS)
    assert (table - starting) / parsing < 2
