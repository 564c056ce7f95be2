"""A plugin harms only its own cell: whatever it does, every other cell gives the bits that it gives alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hostile import ENDS, STATES, distribution, solvers

pytestmark = pytest.mark.long
PLACE = ["benchmark=gmm2d", "task=denoise", "references=false", "n=4", "batch_size=2"]
FEW = ["exit", "os_exit", "fork"], ["float64", "json"]
SWEEP = """
import sys
from invbench.cli import main
statuses = {}
for job in sys.argv[2].split(","):
    solver, _, folder = job.partition(":")
    try:
        main(["run", f"solver={solver}", *sys.argv[3:], f"out={sys.argv[1]}/{folder}"])
    except SystemExit as end:
        statuses[job] = end.code
print("STATUSES", statuses)
"""


def sweep(names: Sequence[str], out: Path, site: Path, *words: str) -> dict[str, int]:
    """Exit statuses by solver, all run by one process; ``solver:folder`` has a folder of its own below ``out``."""
    command = [sys.executable, "-c", SWEEP, str(out), ",".join(names), *PLACE, *words]
    environment = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site, timeout=900)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    last = done.stdout.rpartition("STATUSES ")[2]
    return json.loads(last.replace("'", '"'))


def bits(out: Path, solver: str) -> str:
    """A digest of what a cell kept: reconstructions and scores, not the time they took."""
    (folder,) = (path.parent for path in out.glob(f"*/*/{solver}-*/run.json"))
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    scores = json.dumps([row for row in rows if row["metric"] != "seconds"], sort_keys=True)
    images = b"".join(path.read_bytes() for path in sorted(folder.glob("images/*")))
    return hashlib.sha256(scores.encode() + images).hexdigest()


def status(out: Path, solver: str) -> tuple[str, str]:
    """Status and reason of a cell."""
    (path,) = out.glob(f"*/*/{solver}-*/run.json")
    run = json.loads(path.read_text())
    return run["status"], run["reason"] or ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    solvers(folder)
    return folder


def behave(ends: Sequence[str], states: Sequence[str], site: Path, tmp_path: Path) -> None:
    """Run hostile solvers, each followed by another, in one process, and compare that with one that ran alone."""
    alone, out = tmp_path / "alone", tmp_path / "out"
    assert sweep(["ddrm"], alone, site) == {"ddrm": 0}
    expected = bits(alone, "ddrm")
    hostile = [f"hostile_{name}" for name in (*ends, *states)]
    statuses = sweep([job for name in hostile for job in (f"{name}:{name}", f"ddrm:{name}")], out, site)
    changed = [name for name in hostile if bits(out / name, "ddrm") != expected]
    assert {name: statuses[f"ddrm:{name}"] for name in hostile} == dict.fromkeys(hostile, 0)
    for name in hostile:
        if name.removeprefix("hostile_") in ends:
            assert statuses[f"{name}:{name}"] == 1, name
            assert status(out / name, name)[0] == "failed", name
            assert status(out / name, name)[1], name
    print(f"\n{len(hostile)} hostile plugins, {len(changed)} neighbours changed")
    assert changed == []


def test_a_few_hostile_solvers_do_not_affect_other_cells(site: Path, tmp_path: Path) -> None:
    """Their cells one after another in one process, a hanging one among them, with a neighbour at the end."""
    ends, states = FEW
    alone, out = tmp_path / "alone", tmp_path / "out"
    assert sweep(["ddrm"], alone, site) == {"ddrm": 0}
    hostile = [f"hostile_{name}" for name in (*ends, *states)]
    statuses = sweep([*hostile, "ddrm"], out, site)
    assert statuses["ddrm"] == 0
    assert bits(out, "ddrm") == bits(alone, "ddrm")
    for name in ends:
        assert statuses[f"hostile_{name}"] == 1
        assert status(out, f"hostile_{name}")[0] == "failed"
    assert "exit()" in status(out, "hostile_exit")[1]
    assert "exit()" in status(out, "hostile_os_exit")[1]
    assert "forked" in status(out, "hostile_fork")[1]


@pytest.mark.slow
def test_sixty_four_hostile_solvers_do_not_affect_other_cells(site: Path, tmp_path: Path) -> None:
    assert len(ENDS) + len(STATES) == 64
    behave(list(ENDS), list(STATES), site, tmp_path)


def test_a_solver_that_hangs_is_ended_and_the_next_runs(site: Path, tmp_path: Path) -> None:
    statuses = sweep(["hostile_hang", "ddrm"], tmp_path, site, "timeout=6")
    assert statuses == {"hostile_hang": 1, "ddrm": 0}
    assert status(tmp_path, "hostile_hang") == ("failed", "took longer than timeout=6 seconds")


METRIC = """
import os, time
from invbench import hookimpl, {kind}
import torch
class Hostile({kind}):
    name = "hostile"; protocol = "hostile"; higher_is_better = True
    def __call__(self, x_hat, m):
        {body}
        return x_hat.flatten(1).mean(1)
    def distance(self, a, b):
        return 0.0
@hookimpl
def invbench_register_metrics(): return [Hostile]
"""
METRICS = {
    "raises": "1 / 0",
    "exits": "exit()",
    "ends": "os._exit(0)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "in_place": "x_hat.clamp_(-0.1, 0.1); m.x.zero_(); m.y.zero_()",
    "scalar": "return torch.tensor(1.0)",
    "text": "return 'x'",
    "many": "return torch.zeros(99)",
    "dtype": "torch.set_default_dtype(torch.float64)",
}


def test_a_metric_that_ends_the_process_costs_its_own_column_only(tmp_path: Path) -> None:
    check_metric("Metric", "crashes", tmp_path)


@pytest.mark.parametrize("body", ["os._exit(0)", "exit()", "os.fork()"])
def test_a_plugin_that_ends_the_process_when_imported_is_a_row_with_its_reason(body: str, tmp_path: Path) -> None:
    distribution(tmp_path, "leaves", "solver", f"import os\n{body}\n")
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    for words, expected in ((["list"], 0), (["info", "leaves"], 2), (["table", "--out", "reference"], 0)):
        command = [sys.executable, "-m", "invbench.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
        assert done.returncode == expected, done.stderr
        assert done.stdout if expected == 0 else "Not loaded: solver_leaves of leaves (" in done.stderr


def test_a_dataset_that_ends_the_process_ends_no_command_silently(tmp_path: Path) -> None:
    """Verifying, and drawing, a cell whose dataset has gone bad since is an error of that dataset."""
    good = OTHERS["dataset"].replace("{body}", "return ['a', 'b']").replace('raise ValueError("no")', "{load}")
    text = "import torch\n" + good.replace("{load}", "return torch.zeros(1, 1, 2)")
    distribution(tmp_path, "turncoat", "dataset", text.replace('"hostile"', '"turncoat"'))
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"}

    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "invbench.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)

    baseline = ran("run", "solver=pinv", "dataset=turncoat", *PLACE, "out=out")
    assert baseline.returncode == 0, baseline.stderr
    bad = "import torch\n" + good.replace("{load}", "os._exit(0)").replace('"hostile"', '"turncoat"')
    (tmp_path / "turncoat.py").write_text(bad)
    (cell,) = (path.parent.name.rpartition("-")[2] for path in (tmp_path / "out").glob("*/*/*/run.json"))
    for words in (["verify", cell], ["figure"], ["rescore"]):
        done = ran(*words, "--out", "out")
        assert done.returncode in (1, 2), (words, done.stdout)
        assert "turncoat" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Metric", "SetMetric"])
@pytest.mark.parametrize("name", METRICS)
def test_every_hostile_metric_costs_its_own_column_only(kind: str, name: str, tmp_path: Path) -> None:
    check_metric(kind, name, tmp_path)


def check_metric(kind: str, name: str, tmp_path: Path) -> None:
    empty, site = tmp_path / "empty", tmp_path / "site"
    empty.mkdir()
    distribution(site, "hostile_metric", "metric", METRIC.format(kind=kind, body=METRICS[name]))
    assert sweep(["wiener"], tmp_path / "alone", empty) == {"wiener": 0}
    statuses = sweep(["wiener"], tmp_path / "out", site)
    assert statuses["wiener"] in (0, 1)
    assert status(tmp_path / "out", "wiener")[0] == "complete"
    (folder,) = (p.parent for p in (tmp_path / "out").glob("*/*/wiener-*/run.json"))
    rows = folder / "records.jsonl"
    rows.write_text("".join(line + "\n" for line in rows.read_text().splitlines() if '"hostile"' not in line))
    assert bits(tmp_path / "out", "wiener") == bits(tmp_path / "alone", "wiener")


OTHERS = {
    "task": """
from dataclasses import dataclass
from typing import ClassVar
import os
from invbench import Task, hookimpl
@dataclass(frozen=True)
class Hostile(Task):
    name: ClassVar[str] = "hostile"
    def operator(self, x_shape, rng):
        {body}
@hookimpl
def invbench_register_tasks(): return [Hostile]
""",
    "dataset": """
from dataclasses import dataclass
from typing import ClassVar
import os
from invbench import Dataset, hookimpl
@dataclass(frozen=True)
class Hostile(Dataset):
    name: ClassVar[str] = "hostile"
    @property
    def x_shape(self): return (1, 1, 2)
    def ids(self):
        {body}
    def load(self, image_id): raise ValueError("no")
@hookimpl
def invbench_register_datasets(): return [Hostile]
""",
    "prior": """
from dataclasses import dataclass
from typing import ClassVar
import os
from invbench import PriorSource, hookimpl
@dataclass(frozen=True)
class Hostile(PriorSource):
    name: ClassVar[str] = "hostile"
    def load(self, x_shape, device): raise ValueError("no")
    def fingerprint(self):
        {body}
@hookimpl
def invbench_register_priors(): return [Hostile]
""",
}


BODIES = {"raises": "1 / 0", "exits": "exit()", "ends": "os._exit(0)", "gives_none": "return None"}


@pytest.mark.parametrize("bodies", [["raises"], pytest.param([*BODIES], marks=pytest.mark.slow)])
def test_a_task_dataset_or_prior_fails_its_own_cell(bodies: list[str], tmp_path: Path) -> None:
    """All of them one after another in one process, with a neighbour at the end."""
    site = tmp_path / "site"
    words = []
    for kind, source in OTHERS.items():
        for name in bodies:
            body = BODIES[name]
            module = f"{kind}_that_{name}"
            text = source.format(body=body).replace('"hostile"', f'"{module}"')
            distribution(site, module, kind, text)
            words.append([f"{kind}={module}"])
    code = (
        "import sys, json\nfrom invbench.cli import main\n"
        "for i, words in enumerate(json.loads(sys.argv[1])):\n"
        "    try: main(['run', 'solver=pinv', *words, f'out=out-{i}'])\n"
        "    except SystemExit as end: print('STATUS', end.code)\n"
    )
    jobs = []
    for own in [*words, []]:
        kinds = {word.partition("=")[0] for word in own}
        jobs.append([*(word for word in PLACE if word.partition("=")[0] not in kinds), *own])
    environment = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", code, json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600)
    statuses = [line.removeprefix("STATUS ") for line in done.stdout.splitlines() if line.startswith("STATUS")]
    assert statuses == ["1"] * len(words) + ["0"], done.stderr
    assert "Traceback" not in done.stderr
    recorded = {run.parent.name for run in tmp_path.glob("out-*/*/*/*/run.json")}
    assert len(recorded) >= len(bodies), "those whose cells could be told are recorded as failed"
