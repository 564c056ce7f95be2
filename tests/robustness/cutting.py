"""Commands in processes that are cut at a chosen file operation, as by a kill or a full disk.

Processes are forked from this one, which has imported everything: a command takes tenths of a second.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from invbench.cli import compute as commands  # noqa: F401  (what commands import when they run, imported before the fork)
from invbench.cli import main
from invbench.figures import charts, pictures  # noqa: F401
from invbench.harness import jobs  # noqa: F401  (what commands import when they run, imported before the fork)
from invbench.store.files import cell_folders
from invbench.store.writer import CellStore

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OPERATIONS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
IDLE = (".lock", ".overwritten", ".png", ".pdf", ".html")  # not compared: pictures and pages hold times, and locks stay
Fault = Callable[[], None]


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def command(
    words: list[str], root: Path, at: int = 0, fault: Fault = kill, ever_after: bool = False
) -> tuple[int, int]:
    """Run a command; at its ``at``-th file operation below ``root`` the fault happens (0: never), or from there on.

    Returns the exit status (minus the signal, where it was killed) and how many operations there were.
    """
    log, counted = root.with_suffix(".log"), root.with_suffix(".count")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        done = int(counted.read_text()) if counted.is_file() else 0
        return os.waitstatus_to_exitcode(status), done
    _speak_into(log)
    count, place, own = 0, str(root), True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count, own
        if not own or not (event == "open" or event in OPERATIONS):
            return
        writes = event != "open" or (isinstance(arguments[0], str) and (arguments[2] or 0) & WRITES)
        if writes and place in str(arguments[0]):
            count += 1
            if count == at or (ever_after and at and count > at):
                own = ever_after
                fault()

    torch.set_num_threads(1)
    sys.addaudithook(hook)
    code = 1
    try:
        main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        os.write(1, f"Traceback: {error!r}".encode())
        code = 99
    own = False
    sys.stdout.flush()
    sys.stderr.flush()
    counted.write_text(str(count))
    sys.stdout.flush()
    os._exit(code)


def _speak_into(log: Path) -> None:
    """Standard streams of a forked process, which a test captures otherwise."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))


def error_text(root: Path) -> str:
    """What the last command printed."""
    return root.with_suffix(".log").read_text(errors="replace")


def interrupted(words: list[str], root: Path, seconds: float, number: int = signal.SIGKILL) -> int:
    """Run a command and send it a signal after so many seconds; returns its exit status."""
    pid = os.fork()
    if pid:
        time.sleep(seconds)
        os.kill(pid, number)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    _speak_into(root.with_suffix(".log"))
    torch.set_num_threads(1)
    try:
        main(words)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(99)


def state(root: Path) -> dict[str, Any]:
    """What is below a folder, without what differs from run to run: times, machines, places."""
    return {
        str(path.relative_to(root)): _content(path)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(IDLE) and path.name != "checksums.json"
    }


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return {key: tensor.numpy().tobytes() for key, tensor in load_file(path).items()}
    if path.name == "run.json":
        run = json.loads(path.read_text())
        return {key: run[key] for key in ("cell", "config", "status", "reason", "images")}
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        rows = [json.loads(line) for line in lines]
        return [{k: v for k, v in row.items() if k != "time"} for row in rows if row.get("metric") != "seconds"]
    if path.name.startswith(("bench-", "tune-")):
        content = json.loads(path.read_text())
        return sorted(content)
    return path.read_bytes()


def sound(root: Path) -> None:
    """Every cell below a folder matches its checksums, and no number is there twice."""
    for folder in cell_folders(root):
        assert CellStore(folder).damage() == [], folder
        path = folder / "records.jsonl"
        if path.is_file():
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            keys = [(r["image"], r["sample"], r["metric"], r["protocol"]) for r in rows]
            assert len(set(keys)) == len(keys), folder
        assert not list(folder.rglob("*.part"))


def delays(n: int, longest: float, seed: int = 0) -> list[float]:
    """Moments to send a signal at."""
    draw = random.Random(seed)
    return [draw.uniform(0.0, longest) for _ in range(n)]
