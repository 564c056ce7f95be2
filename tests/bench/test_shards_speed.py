"""Two processes of one thread each against one, on the same images: the whole command, and without its start-up.

On a machine that is otherwise idle, with two cores of their own, two are at least 1.9 times as fast without start-up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORDS = ["run", "solver=ddrm", "task=sr4", "n=16", "batch_size=4", "references=false", "isolate=true"]


def seconds(out: Path, shards: int) -> tuple[float, float]:
    """Of the whole command, and from the first image to the last."""
    words = [sys.executable, "-u", "-m", "invbench.cli", *WORDS, f"shards={shards}", f"out={out}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    at: dict[str, float] = {}
    begin = time.perf_counter()
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment) as run:
        assert run.stderr is not None
        for line in run.stderr:
            at.setdefault(line.partition(": ")[2].strip(), time.perf_counter())
    assert run.returncode == 0, at
    first = min(moment for text, moment in at.items() if text.startswith("0/"))
    return time.perf_counter() - begin, at["16/16 images"] - first


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_processes_are_nearly_twice_as_fast_as_one(tmp_path: Path) -> None:
    one, two = (seconds(tmp_path / str(shards), shards) for shards in (1, 2))
    ratios = [a / b for a, b in zip(one, two, strict=True)]
    for what, a, b, ratio in zip(("whole command", "without start-up"), one, two, ratios, strict=True):
        print(f"\n{what}: one process {a:.1f} s, two {b:.1f} s, ratio {ratio:.2f}")
    assert ratios[1] > 1.5
