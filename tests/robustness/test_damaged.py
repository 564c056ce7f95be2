"""Files of a results folder that are damaged or hostile: a warning that names the file, and no harm to other cells."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import called

pytestmark = pytest.mark.long
Edit = Callable[[dict[str, Any]], Any]
READERS = {
    "table": ["table"],
    "paper table": ["table", "--paper", "1", "benchmark=photos"],
    "csv": ["table", "--format", "csv"],
    "report": ["report", "--to", "page.html", "--images", "1"],
    "release": ["release", "released"],
    "rescore": ["rescore"],
    "bars": ["figure", "bars", "--to", "bars.png"],
    "versus": ["versus", "wiener", "oracle"],
    "claims": ["claims", "cell/1"],
}


def cut(*path: str | int) -> Edit:
    def edit(run: dict[str, Any]) -> None:
        at: Any = run
        for part in path[:-1]:
            at = at[part]
        del at[path[-1]]

    return edit


def set_value(value: Any, *path: str | int) -> Edit:
    def edit(run: dict[str, Any]) -> None:
        at: Any = run
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value

    return edit


RUNS: dict[str, Edit | bytes] = {
    "empty": b"",
    "cut": b'{"format": 2,',
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "no sessions": cut("sessions"),
    "sessions of another type": set_value(3, "sessions"),
    "a session without a device": cut("sessions", 0, "device"),
    "no cost": cut("cost"),
    "cost of text": set_value("x", "cost", "solve_seconds"),
    "cost null": set_value(None, "cost"),
    "no prior's hash": cut("config", "prior", "sha256"),
    "prior's hash a number": set_value(7, "config", "prior", "sha256"),
    "no version": cut("config", "benchmark", "version"),
    "no noise": cut("config", "task", "noise"),
    "noise that is none": set_value("gaussian lots", "config", "task", "noise"),
    "no solver": cut("config", "solver"),
    "solver of another type": set_value("pinv", "config", "solver"),
    "seed of text": set_value("0", "config", "seed"),
    "no samples": set_value(0, "config", "samples"),
    "unknown status": set_value("fine", "status"),
    "another format": set_value(99, "format"),
    "an open quote": set_value("invbench 'run", "sessions", 0, "command"),
    "cell a list": set_value(["a"], "cell"),
    "a name with markup": set_value("<img src=x onerror=alert(1)> | \\write18{id}", "config", "solver", "name"),
    "a name with a formula": set_value("=1+1", "config", "solver", "name"),
    "a name that climbs": set_value("../../../escape", "config", "solver", "name"),
    "places of another type": set_value([1], "places"),
    "images below none": set_value(-5, "images"),
}
OTHERS: dict[str, tuple[str, bytes]] = {
    "sets without protocol": ("sets.json", b'{"a": {"images": ["0"], "scores": [{"metric": "kid_alex", "value": 1}]}}'),
    "sets a list": ("sets.json", b"[]"),
    "sets deep": ("sets.json", b"[" * 200_000),
    "rows of garbage": ("records.jsonl", b"\xff\xfe\n{}\n[1]\n" + b"[" * 200_000 + b"\n"),
    "a row of huge numbers": ("records.jsonl", b'{"cell": "c", "image": "i", "sample": 1e300, "metric": "m"}\n'),
    "packed rows of garbage": ("records.jsonl.gz", b"\x1f\x8b garbage"),
    "packed rows cut": ("records.jsonl.gz", gzip.compress(b"x" * 1000)[:-8]),
    "checksums of garbage": ("checksums.json", b"[" * 200_000),
    "a cost of garbage": ("../bench-wiener.json", b"[" * 200_000),
    "a cost of another type": ("../bench-wiener.json", b'{"config": 3, "cost": [], "session": null, "sha256": ""}'),
}


@pytest.fixture(scope="module")
def recorded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two solvers beside their references, on one measurement."""
    folder = tmp_path_factory.mktemp("damaged")
    done = called(["run", "solver=wiener,oracle", "benchmark=gmm2d", "task=denoise", "n=2", "out=out"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def serve(recorded_store: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Damage the cell of one solver; every reading command answers in lines, and tables still have the other."""
    shutil.copytree(recorded_store, tmp_path / "out")
    (folder,) = (path.parent for path in (tmp_path / "out").glob("*/*/wiener-*/run.json"))
    (folder / "checksums.json").unlink()
    damage(folder)
    for name, words in READERS.items():
        result = called([*words, "--out", "out"], tmp_path)
        assert result.returncode in (0, 1, 2), name
        assert "Traceback" not in result.stderr + result.stdout, name
        assert result.stderr.count("error:") <= 1, name
        if name in ("table", "csv", "report", "bars"):
            assert result.returncode == 0, (name, result.stderr)
        if name in ("table", "csv"):
            assert "oracle" in result.stdout, name
    explained = called(["explain", str(folder), "--out", "out"], tmp_path)
    assert "Traceback" not in explained.stderr
    assert not (tmp_path.parent / "escape").exists()


def damaged(name: str) -> Callable[[Path], None]:
    """What damages a cell's folder."""

    def damage(folder: Path) -> None:
        if name in OTHERS:
            file, data = OTHERS[name]
            (folder / file).write_bytes(data)
            return
        edit, path = RUNS[name], folder / "run.json"
        if isinstance(edit, bytes):
            path.write_bytes(edit)
            return
        run = json.loads(path.read_text())
        edit(run)
        path.write_text(json.dumps(run))

    return damage


@pytest.mark.parametrize("name", ["deep", "no cost", "a name with markup", "sets a list", "packed rows cut"])
def test_a_damaged_file_costs_the_other_cells_nothing(name: str, recorded_store: Path, tmp_path: Path) -> None:
    serve(recorded_store, tmp_path, damaged(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*RUNS, *OTHERS])
def test_no_damaged_file_costs_the_other_cells_anything(name: str, recorded_store: Path, tmp_path: Path) -> None:
    serve(recorded_store, tmp_path, damaged(name))
