"""A table of many records, against reading the same lines with json; INVBENCH_RECORDS=1001000 for a million of them."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from invbench.store.files import LAST, PACKED, Record
from invbench.store.writer import CellStore

SOLVERS, IMAGES, METRICS = 13, 1000, ("psnr", "ssim", "haarpsi", "consistency", "seconds", "nfe_forward", LAST)
SIGMAS = range(1, 1 + max(1, int(os.environ.get("INVBENCH_RECORDS", 364_000)) // (SOLVERS * IMAGES * len(METRICS))))


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


def cpu(who: int) -> float:
    """Seconds of the processor, which others on the machine do not change, of this process or of its children."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def printed(*words: str) -> tuple[str, float]:
    """What a command prints, and the seconds of the processor that it took."""
    begin = cpu(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "invbench.cli", *words]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return text, cpu(resource.RUSAGE_CHILDREN) - begin


def test_a_table_takes_less_than_twice_as_long_as_parsing_its_records(tmp_path: Path) -> None:
    rows, paths = store(tmp_path), list(tmp_path.rglob(PACKED))
    begin, parsed = cpu(resource.RUSAGE_SELF), 0
    for path in paths:
        parsed += len([json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()])
    parsing = cpu(resource.RUSAGE_SELF) - begin
    _, starting = printed("table", "--out", str(tmp_path), "task=none")  # what it takes to start and find nothing
    text, table = printed("table", "--out", str(tmp_path))
    print(f"\n{rows:,} records: table {table:.2f} s, of which to start {starting:.2f} s; json alone {parsing:.2f} s")
    assert parsed == rows
    assert text.count(" best") == 3 * len(SIGMAS)
    assert (table - starting) / parsing < 2
