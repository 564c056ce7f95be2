"""A solver that dies once, and what runs in shards must leave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invbench.store.files import Record
from invbench.store.reader import LoadedCell, load_cells

MORTAL = """
import os, signal
from dataclasses import dataclass
from typing import ClassVar
from invbench import Solver, hookimpl

@dataclass(frozen=True)
class Mortal(Solver):
    "Ends its process where the file is not there yet, which it makes; else returns the measurement."
    name: ClassVar[str] = "mortal"
    summary: ClassVar[str] = "dies once"
    file: str = ""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        try:
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return y
        os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def invbench_register_solvers():
    return [Mortal]
"""


def install_mortal(site: Path) -> Path:
    """Put the solver ``mortal`` into a folder, as a distribution that is installed there."""
    info = site / "mortal-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "mortal.py").write_text(MORTAL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mortal\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[invbench]\nmortal = mortal\n")
    return site


def cells(out: Path) -> dict[str, LoadedCell]:
    """The cells of a results folder, by solver."""
    return {cell.run.config.solver.name: cell for cell in load_cells(out)}


def assert_same(whole: Path, sharded: Path, shards: int) -> None:
    """The same cells: numbers, scores of sets and reconstructions bit for bit, but for the time that they took."""
    expected, got = cells(whole), cells(sharded)
    assert expected.keys() == got.keys()
    for name, cell in expected.items():
        assert got[name].id == cell.id
        assert got[name].run.status == cell.run.status == "complete"
        assert len(got[name].folders) == shards
        assert _numbers(got[name].rows) == _numbers(cell.rows)
        assert got[name].sets == cell.sets
        for image in cell.images:
            ours, theirs = got[name].image_path(image), cell.image_path(image)
            assert ours
            assert theirs
            assert ours.read_bytes() == theirs.read_bytes()


def _numbers(rows: Sequence[Record]) -> list[tuple[Any, ...]]:
    rows = [row for row in rows if row.metric != "seconds"]
    return sorted((r.image, r.sample, r.metric, r.protocol, r.value, r.y_sha256, repr(r.y)) for r in rows)


def sessions(out: Path, solver: str) -> list[int]:
    """How often each shard of a cell was worked at."""
    (cell,) = (cell for name, cell in cells(out).items() if name == solver)
    by_shard: dict[tuple[int, int], int] = {}
    for session in cell.run.sessions:
        by_shard[session.shard] = by_shard.get(session.shard, 0) + 1
    return [count for _, count in sorted(by_shard.items())]
