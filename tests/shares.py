"""Where the seconds of a run go: python tests/shares.py solver=ddrm task=sr4 [key=value ...]

The command is run in a process of its own, into a fresh folder, and each second counted once: for the innermost of the
stages that it falls into.
"""

from __future__ import annotations

import builtins
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = "INVBENCH_SHARES_START"  # when the process was started, by the clock of all processes


@dataclass
class Stages:
    """Seconds of each stage, without those of the stages within it."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    open: list[str] = field(default_factory=lambda: ["other"])
    since: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the body for a stage."""
        self._count()
        self.open.append(name)
        try:
            yield
        finally:
            self._count()
            self.open.pop()

    def watch(self, owner: Any, method: str, name: Callable[..., str]) -> None:
        """Count every call of a function for the stage that ``name`` makes of its arguments."""
        inner = getattr(owner, method)

        @functools.wraps(inner)
        def call(*args: Any, **kw: Any) -> Any:
            with self.stage(name(*args, **kw)):
                return inner(*args, **kw)

        setattr(owner, method, call)

    def _count(self) -> None:
        now = time.perf_counter()
        self.seconds[self.open[-1]] += now - self.since
        self.since = now


@dataclass(frozen=True)
class Shares:
    """Of a run of some cells: seconds by stage, and what their run.json say of solving."""

    seconds: dict[str, float]
    solving: float  # seconds of all cells' solves
    network: float  # of these, the network's, forward and backward
    operator: float  # of these, the operator's

    @property
    def wall(self) -> float:
        """Seconds of the whole process."""
        return sum(self.seconds.values())

    @property
    def outside_network(self) -> float:
        """Share of the solves that the network does not take."""
        return 1 - self.network / self.solving

    @property
    def scoring(self) -> float:
        """Seconds of scores, of images and of sets."""
        return sum(s for name, s in self.seconds.items() if name.startswith("score"))

    @property
    def after(self) -> float:
        """Share of the wall time of scores, tables and pictures."""
        return (self.scoring + self.seconds["table"] + self.seconds["picture"]) / self.wall

    def __str__(self) -> str:
        ordered = sorted(self.seconds.items(), key=lambda item: -item[1])
        rows = [f"{name:<28}{seconds:8.2f} s {seconds / self.wall:7.1%}" for name, seconds in ordered]
        last = f"scores, tables and pictures {self.after:.1%} of {self.wall:.1f} s; scoring {self.scoring:.2f} s; "
        return "\n".join([*rows, f"{last}outside the network {self.outside_network:.1%} of solving"])


def shares(*overrides: str) -> Shares:
    """Run ``invbench run`` with these overrides in a process of its own. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--inside", f"{folder}/stages.json", *overrides, f"out={folder}/out"]
        environment = {**os.environ, START: repr(time.time())}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        seconds = json.loads(Path(folder, "stages.json").read_text())
        costs = [json.loads(path.read_text())["cost"] for path in Path(folder, "out").rglob("run.json")]
    called = [cost for cost in costs if cost["nfe_forward"]]
    network = sum(cost["forward_seconds"] + cost["backward_seconds"] for cost in called)
    return Shares(
        defaultdict(float, seconds),
        sum(cost["solve_seconds"] for cost in called),
        network,
        sum(cost["operator_seconds"] for cost in called),
    )


def _watch(stages: Stages) -> None:
    """Count what a run calls. Everything that it imports is imported here, and counted as that."""
    from invbench.cli import compute
    from invbench.harness import here, runner, solving
    from invbench.harness.bank import MeasurementBank
    from invbench.harness.scoring import Scorer
    from invbench.store.writer import CellStore

    stages.watch(MeasurementBank, "measure", lambda *_: "measuring")
    stages.watch(solving.Worker, "run_missing", lambda *_: "loading")
    stages.watch(solving.Worker, "_run_chunk", lambda *_: "other")
    stages.watch(solving.Worker, "_solve", lambda *_: "solving")
    stages.watch(Scorer, "image_rows", lambda *_: "score: rest")
    stages.watch(Scorer, "_score", lambda _, metric, *__: f"score: {metric.name}")
    stages.watch(Scorer, "features", lambda _, metric, *__: f"score: {metric.name}, features")
    stages.watch(Scorer, "set_score", lambda _, metric, *__: f"score: {metric.name}, set")
    stages.watch(here, "score_set", lambda *_, **__: "score: rest")
    stages.watch(here, "build", lambda *_: "configuration")
    stages.watch(runner, "look_for", lambda *_: "store")
    for method in ("append", "write_run", "write_checksums", "write_sets"):
        stages.watch(CellStore, method, lambda *_: "store")
    stages.watch(compute, "_show", lambda *_: "table")
    stages.watch(compute, "_show_seeds", lambda *_: "table")
    stages.watch(compute, "_draw", lambda *_: "picture")


def _inside(out: Path, overrides: list[str]) -> None:
    """Run in this process and write the stages to a file."""
    started = time.time() - float(os.environ[START])
    stages = Stages()
    stages.seconds["imports"] += started
    importing, depth = builtins.__import__, 0

    def counted(*args: Any, **kw: Any) -> Any:
        nonlocal depth
        if depth or args[0] in sys.modules:
            return importing(*args, **kw)
        depth = 1
        try:
            with stages.stage("imports"):
                return importing(*args, **kw)
        finally:
            depth = 0

    builtins.__import__ = counted
    with stages.stage("imports"):
        _watch(stages)
        from invbench.cli.app import main
    try:
        main(["run", *overrides])
    finally:
        with stages.stage("other"):
            out.write_text(json.dumps(stages.seconds))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        _inside(Path(sys.argv[2]), sys.argv[3:])
    else:
        print(shares(*sys.argv[1:]))
