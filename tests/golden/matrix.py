"""The golden records: a small matrix, run afresh and compared with the records kept in ``matrix/``.

    python tests/golden/matrix.py check     # make regression: exit status 1 where a number moved
    python tests/golden/matrix.py write     # make golden: take today's numbers, to be reviewed like code

Kept of a cell are its configuration and its scores; what differs from run to run (times, machine) and the images are
not, so that a diff of the records shows changed numbers only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TASKS = "task=denoise,sr4,deblur,inpaint,colorize"
MATRIX = (  # what `invbench run` is given; several values are all their combinations
    f"{TASKS} solver=pinv,davi",
    f"{TASKS} solver=ddrm,pigdm,diffpir,red_diff solver.nfe=4",
    f"{TASKS} solver=dps solver.nfe=4 solver.zeta=0.1",  # four steps of the published size diverge, and grow last bits
    f"{TASKS} solver=ddnm_plus solver.steps=4",
    "benchmark=gmm task=sr4 solver=oracle,fps samples=2",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # unless told: faster beside others, and last bits depend on it
NOTHING_FETCHED = {name: str(Path(__file__).parent / "absent") for name in ("INVBENCH_CACHE", "INVBENCH_DATA")}
COMMON = "n=2 batch_size=2 device=cpu references=false"
BOUNDS = {"psnr": 0.05, "ssim": 0.005, "lpips_alex": 0.005, "haarpsi": 0.005, "crps": 0.005}
RULES = ",".join([*(f"{name}<-{bound},{name}>{bound}" for name, bound in BOUNDS.items()), "nfe!=0"])
KEPT = Path(__file__).parent / "matrix"
KEYS = ("format", "cell", "config", "status", "reason", "images")


def invbench(*arguments: str) -> int:
    """The exit status of a command; what it prints goes to the terminal."""
    command = [sys.executable, "-m", "invbench.cli", *arguments]
    return subprocess.run(command, env={**ONE_THREAD, **os.environ, **NOTHING_FETCHED}).returncode


def run(lines: Sequence[str], out: Path) -> None:
    """Run cells into an empty folder. Exits where one fails."""
    for line in lines:
        if status := invbench("run", *line.split(), *COMMON.split(), f"out={out}"):
            sys.exit(status)


def keep(out: Path, golden: Path) -> None:
    """Replace the records that are kept with those of ``out``."""
    shutil.rmtree(golden, ignore_errors=True)
    for path in sorted(out.glob("*/*/*/run.json")):
        folder = golden / path.parent.relative_to(out)
        folder.mkdir(parents=True)
        whole = json.loads(path.read_text())
        (folder / "run.json").write_text(json.dumps({key: whole[key] for key in KEYS}, indent=1) + "\n")
        rows = (path.parent / "records.jsonl").read_text().splitlines(keepends=True)
        (folder / "records.jsonl").write_text("".join(row for row in rows if json.loads(row)["metric"] != "seconds"))


def compare(golden: Path, out: Path) -> int:
    """The exit status of comparing; machines may differ in the last bits of a measurement."""
    return invbench("compare", str(golden), str(out), "--fail-on", RULES, "--across-machines")


def main(how: str) -> int:
    """Check the records that are kept against a fresh run, or write them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run(MATRIX, out)
        if how == "write":
            keep(out, KEPT)
            return 0
        status = compare(KEPT, out)
    if status:
        print("\nnumbers moved; docs/ci.md says what to do. Where that is wanted: make golden, and a changelog line")
    return status


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["write"]):
        sys.exit("expected: python tests/golden/matrix.py check, or write")
    sys.exit(main(sys.argv[1]))
