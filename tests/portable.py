"""Other processors, played on this one: do tests, golden records and released records hold, and what moves?

    python tests/portable.py                      # make check-portable: every setting, hours on two cores
    python tests/portable.py --only SSE4_2        # settings whose name has this in it; some five minutes each
    python tests/portable.py --parts verify,moves # of suite, regression, verify, moves
    python tests/portable.py --again              # also what was checked before

A setting is an environment that has torch's libraries choose other kernels, with one thread and with two. Not all do on
every processor (MKL takes no instructions from its environment on AMD's): where nothing moves, the columns are 0. Under
each run the tests that compute (all but those of LEFT_OUT), the golden records, and ``invbench verify`` of ten released
cells; then measurements and reconstructions are compared with those of the default setting. What was found is kept in
``build/portable``, so that a later call resumes. Prints one table; the exit status is 1 where something failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "portable" / "found.json"
KERNELS = {  # how libraries are told to take another processor for this one
    "default": {},
    "SSE4_2": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "AVX2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "AVX512": {"MKL_ENABLE_INSTRUCTIONS": "AVX512"},
    "COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
    "ATEN-default": {"ATEN_CPU_CAPABILITY": "default"},
    "ONEDNN-AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "ONEDNN-SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
}
PATIENT = {"OMP_WAIT_POLICY": "passive"}  # threads that wait leave the cores to the other process: six times as fast
SETTINGS = {
    f"{name}, {unit}": {**env, "OMP_NUM_THREADS": str(threads), **PATIENT}
    for threads, unit in ((1, "1 thread"), (2, "2 threads"))
    for name, env in KERNELS.items()
}
DEFAULT = next(iter(SETTINGS))
# Test files of texts, pages, packaging, starting and processes: torch computes nothing there that is looked at.
LEFT_OUT = """
    adm_options app artifacts atomic bench beside boundaries browser build by_task canvas cell charts checks
    claim claims claims_table cli_progress cli_tables columns combinations comparable compare completion compute
    config conformance_kit console costs declarations describe digits docs docs_commands docs_figures docs_ilvr docs_own
    docs_plugins docs_python dotted drawing environment errors evidence example_daps examples experiments files
    findings grid group harness_cell help image_files images isolation jsonfiles judge latex layout leaderboard
    library listing long_table marks messages metric mlflow nodes notebooks notes numbers options outcome
    outcomes overrides packaging paper_figure paper_options pareto pictures places plugins pooled printed
    progress proxy proxy_rows publish published read reader records regression release report report_charts
    reproduce request rows sample sample_tables scaffold schema screens seeds settings share significance site
    spending startup stats table tables task testing_report track tracking train_request trained training tune
    verdicts verify wandb words writer
"""
# Of results/reference, cheap ones.
CELLS = """
    photos/sr4/ddrm photos/colorize/davi photos/deblur/pinv photos/denoise/ddrm photos/inpaint/davi
    gmm/sr4/pinv gmm/colorize/ddrm gmm/denoise/oracle gmm/deblur/diffpir gmm2d/denoise/davi
"""
TASKS = ("sr4", "colorize", "deblur", "denoise")
SOLVERS = ("ddrm", "davi")


def numeric_tests() -> list[str]:
    """The test files that compute, and the checks of every plugin."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    chosen = [f for f in files if f.stem.removeprefix("test_") not in LEFT_OUT.split() and f.parent.name != "bench"]
    return [str(f.relative_to(ROOT)) for f in chosen if not {"robustness", "gpu"} & set(f.parts)] + ["invbench/testing"]


def suite(env: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the tests pass, and which do not."""
    options = ["-n", "2", "--dist", "worksteal", "--no-header", "-m", "not slow and not long"]
    done = _python(["-m", "pytest", *options, *numeric_tests()], env)
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    passed = re.search(r"(\d+) passed", done.stdout)
    return done.returncode == 0 and passed is not None, ", ".join(failed) or (passed[0] if passed else _last(done))


def regression(env: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the golden records are those of a run."""
    done = _python(["tests/golden/matrix.py", "check"], env)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL ")]
    return done.returncode == 0, "; ".join(failed) or _last(done)


def verify(env: Mapping[str, str]) -> tuple[bool, str]:
    """Whether an image of each of ten released cells comes out again."""
    return _within("verified", env)


def moves(env: Mapping[str, str]) -> tuple[bool, str]:
    """Always true, and the file with measurements and reconstructions."""
    return _within("moved", env)


PARTS = {"suite": suite, "regression": regression, "verify": verify, "moves": moves}


def _python(words: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=whole, capture_output=True, text=True)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def _within(function: str, env: Mapping[str, str]) -> tuple[bool, str]:
    """A function of this file called in a process of the setting; its text is the last line."""
    code = f"import runpy; runpy.run_path({str(Path(__file__))!r})[{function!r}]()"
    done = _python(["-c", code], env)
    return done.returncode == 0, _last(done)


def verified() -> None:
    """Verify an image of each cell; names those that fail, and exits with 1 where one does."""
    from click.testing import CliRunner

    from invbench.cli import main

    failed = []
    for place in CELLS.split():
        folder = min((ROOT / "results" / "reference").glob(f"{place}-*/run.json")).parent
        words = ["verify", folder.name, "--out", str(ROOT / "results" / "reference"), "--images", "1"]
        result = CliRunner().invoke(main, words)
        if result.exit_code:
            failed.append(f"{place}: {result.output.strip().splitlines()[-1]}")
    print("; ".join(failed) or f"{len(CELLS.split())} cells")
    sys.exit(bool(failed))


def moved() -> None:
    """Print, as JSON, what measurements of four images and each solver's first image are, by task."""
    import numpy as np
    from click.testing import CliRunner
    from safetensors.numpy import load_file

    from invbench.cli import main
    from invbench.harness.rebuild import rebuild_bank
    from invbench.plugins import load_catalog
    from invbench.store.jsonfiles import read_run

    distances_by_kind: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", f"solver={','.join(SOLVERS)}", f"task={','.join(TASKS)}", "n=1", "references=false"]
        CliRunner().invoke(main, [*words, f"out={folder}"], catch_exceptions=False)
        for path in sorted(Path(folder).rglob("run.json")):
            run = read_run(path)
            (image,) = path.parent.glob("images/*.safetensors")
            task = run.config.task.name
            distances_by_kind[f"{run.config.solver.name} {task}"] = load_file(image)["x_hat"]
            bank = rebuild_bank(run, load_catalog())
            distances_by_kind[f"y {task}"] = bank.measure(bank.dataset.ids()[:4]).y.numpy()
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    handle, to = tempfile.mkstemp(".npz", dir=KEPT.parent)
    os.close(handle)
    np.savez(to, **distances_by_kind)
    print(to)


def distances(one: str, other: str) -> dict[str, float]:
    """The largest differences between two files of ``moved``: of any y, and of each solver's images."""
    import numpy as np

    with np.load(one) as a, np.load(other) as b:
        apart = {key: float(np.abs(a[key].astype(float) - b[key]).max()) for key in a}
    return {kind: max(v for key, v in apart.items() if key.split()[0] == kind) for kind in ("y", *SOLVERS)}


def check(name: str, parts: Sequence[str], again: bool, known: dict[str, Any]) -> None:
    """Run the parts of a setting that are not known yet; what is found is kept at once."""
    mine = known.setdefault(name, {})
    for part in parts:
        if part in mine and not again:
            continue
        begin = time.monotonic()
        good, text = PARTS[part](SETTINGS[name])
        mine[part] = {"good": good, "seconds": round(time.monotonic() - begin), "text": text}
        print(f"{name}: {part} {'passes' if good else 'FAILS'} ({mine[part]['seconds']} s) {text}", flush=True)
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(known, indent=1) + "\n")


def table(known: Mapping[str, Any]) -> str:
    """What is known, a row a setting, as Markdown."""
    lines = ["| setting | suite | regression | verify | y | DDRM | DAVI |", "|---|---|---|---|---|---|---|"]
    base = known.get(DEFAULT, {}).get("moves", {}).get("text", "")
    for name in (name for name in SETTINGS if name in known):
        mine = known[name]
        outcomes = [_shown(mine.get(part)) for part in ("suite", "regression", "verify")]
        paths = [base, mine.get("moves", {}).get("text", "")]
        apart = distances(*paths) if all(paths) and all(map(os.path.exists, paths)) else {}
        far = [f"{apart[kind]:.1e}" if kind in apart else "-" for kind in ("y", *SOLVERS)]
        lines.append(f"| {name} | {' | '.join([*outcomes, *far])} |")
    return "\n".join(lines)


def _shown(part: Mapping[str, Any] | None) -> str:
    return f"{'pass' if part['good'] else 'FAIL'}, {part['seconds']} s" if part else "-"


def main() -> int:
    """Check what is asked for, print the table, and say whether all of it holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="settings whose name has this in it, with ; between several")
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas between")
    parser.add_argument("--again", action="store_true", help="also what is known")
    options = parser.parse_args()
    known: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    parts = options.parts.split(",")
    names = [name for name in SETTINGS if any(part in name for part in options.only.split(";"))]
    if "moves" in parts:
        check(DEFAULT, ["moves"], options.again, known)
    for name in names:
        check(name, parts, options.again, known)
    print(table(known))
    return int(not all(known[name][part]["good"] for name in names for part in parts))


if __name__ == "__main__":
    sys.exit(main())
