"""A command that was cut at any file operation ends, when it is given again, as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cutting import command, delays, error_text, full, interrupted, kill, sound, state

from invbench.store.files import cell_folders
from invbench.store.writer import CellStore

pytestmark = pytest.mark.long
GMM = ["solver=pinv", "benchmark=gmm", "task=sr4", "references=false", "n=3", "batch_size=2"]
PLANE = ["solver=ddrm", "benchmark=gmm2d", "task=denoise", "references=false", "n=4", "batch_size=2", "samples=2"]
TRAIN = ["train", "solver=davi", "benchmark=gmm2d", "task=denoise", "training.steps=6", "save_every=2"]
Prepare = Callable[[Path], None]
QUICK = {"tune": 30, "train": 8, "rescore": 3, "release": 3}  # every so many operations are cut in a quick run


def run(root: Path, *words: str) -> None:
    status, _ = command(["run", *words, f"out={root}/o"], root)
    assert status == 0, error_text(root)


def nothing(root: Path) -> None:
    root.mkdir()


def done(root: Path) -> None:
    root.mkdir()
    run(root, *GMM)


def unscored(root: Path) -> None:
    """A complete cell without one metric."""
    done(root)
    (folder,) = cell_folders(root / "o")
    rows = folder / "records.jsonl"
    rows.write_text("".join(line + "\n" for line in rows.read_text().splitlines() if '"ssim"' not in line))
    CellStore(folder).write_checksums()


def in_shards(root: Path) -> None:
    root.mkdir()
    run(root, *GMM, "shard=0/2")


COMMANDS: dict[str, tuple[Prepare, Callable[[Path], list[str]]]] = {
    "run": (nothing, lambda root: ["run", *GMM, f"out={root}/o"]),
    "run with samples": (nothing, lambda root: ["run", *PLANE, f"out={root}/o"]),
    "run overwriting": (done, lambda root: ["run", *GMM, "overwrite=true", f"out={root}/o"]),
    "run after a shard": (in_shards, lambda root: ["run", *GMM, f"out={root}/o"]),
    "rescore": (unscored, lambda root: ["rescore", "--out", f"{root}/o"]),
    "release": (done, lambda root: ["release", f"{root}/r", "--out", f"{root}/o"]),
    "report": (done, lambda root: ["report", "--to", f"{root}/page.html", "--out", f"{root}/o"]),
    "figure": (done, lambda root: ["figure", "bars", "--to", f"{root}/bars.png", "--out", f"{root}/o"]),
    "bench": (done, lambda root: ["bench", *GMM, "--repeats", "1", f"out={root}/o"]),
    "tune": (nothing, lambda root: ["tune", *PLANE[:4], "n=2", "solver.nfe=2,3", f"out={root}/o"]),
    "train": (nothing, lambda root: [*TRAIN, f"folder={root}/t"]),
}


def expected(name: str, tmp_path: Path) -> tuple[dict[str, object], int]:
    """What is there after the command, undisturbed, and how many file operations it takes."""
    prepare, words = COMMANDS[name]
    root = tmp_path / "undisturbed"
    prepare(root)
    status, operations = command(words(root), root)
    assert status == 0, error_text(root)
    sound(root)
    return state(root), operations


def killed(words: list[str], root: Path, k: int) -> None:
    """The command, killed at an operation."""
    assert command(words, root, at=k, fault=kill)[0] == -signal.SIGKILL


def filled(words: list[str], root: Path, k: int) -> None:
    """The command, on a disk that is full from an operation on: it ends with a message."""
    assert command(words, root, at=k, fault=full, ever_after=True)[0] in (0, 1, 2), error_text(root)
    assert "Traceback" not in error_text(root)


def survive(name: str, tmp_path: Path, points: list[int], spoil: Callable[[list[str], Path, int], None]) -> int:
    """Spoil the command at some of its operations and give it again; returns how often that was."""
    expected_files, operations = expected(name, tmp_path)
    prepare, words = COMMANDS[name]
    start = tmp_path / "start"
    prepare(start)
    tried = [k for k in points if k <= operations]
    for k in tried:
        root = tmp_path / f"spoilt-{k}"
        shutil.copytree(start, root)
        spoil(words(root), root, k)
        again, _ = command(words(root), root)
        assert again == 0, f"{name}, spoilt at operation {k} of {operations}: {error_text(root)}"
        sound(root)
        assert state(root) == expected_files, f"{name}, spoilt at operation {k} of {operations}"
        shutil.rmtree(root)
    return len(tried)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_at_some_file_operations_resumes(name: str, tmp_path: Path) -> None:
    assert survive(name, tmp_path, list(range(2, 400, QUICK.get(name, 9))), killed)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_at_any_file_operation_resumes(name: str, tmp_path: Path) -> None:
    count = survive(name, tmp_path, list(range(1, 400)), killed)
    print(f"\n{name}: {count} crash points tried, {count} survived")


@pytest.mark.parametrize("name", ["run", "rescore", "release", "train"])
def test_a_full_disk_is_a_message_and_the_command_resumes(name: str, tmp_path: Path) -> None:
    assert survive(name, tmp_path, [3, 9], filled)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run", "rescore", "release", "train", "bench", "tune"])
def test_a_disk_that_is_full_from_any_operation_on_loses_nothing(name: str, tmp_path: Path) -> None:
    count = survive(name, tmp_path, list(range(1, 60, 3)), filled)
    print(f"\n{name}: {count} disks filled, {count} survived")


def kills(
    words: Callable[[Path], list[str]], expected_files: dict[str, object], tmp_path: Path, moments: list[float]
) -> None:
    """Kill a command at these moments, each time on what is there, then let it end."""
    root = tmp_path / "killed"
    for i, moment in enumerate(moments):
        if i % 5 == 0:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
        interrupted(words(root), root, moment)
        if i % 5 == 4 or i == len(moments) - 1:
            status, _ = command(words(root), root)
            assert status == 0, error_text(root)
            sound(root)
            assert state(root) == expected_files


def test_a_run_that_is_killed_at_random_resumes(tmp_path: Path) -> None:
    expected_files, _ = expected("run with samples", tmp_path)
    kills(COMMANDS["run with samples"][1], expected_files, tmp_path, delays(5, 1.0))


@pytest.mark.slow
def test_a_run_survives_a_hundred_kills(tmp_path: Path) -> None:
    expected_files, _ = expected("run with samples", tmp_path)
    kills(COMMANDS["run with samples"][1], expected_files, tmp_path, delays(100, 1.0))
    print("\nrun: 100 kills at random, 100 survived")


@pytest.mark.slow
def test_a_training_survives_twenty_kills(tmp_path: Path) -> None:
    expected_files, _ = expected("train", tmp_path)
    kills(COMMANDS["train"][1], expected_files, tmp_path, delays(20, 1.5))
    print("\ntrain: 20 kills at random, 20 survived")


def at_once(words: list[str], root: Path, count: int) -> list[int]:
    """Exit statuses of a command that runs several times at once."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if not pid:
            status, _ = command(words, root.with_name(f"{root.name}-{os.getpid()}"))
            os._exit(status)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_eight_rescores_at_once_write_each_score_once(tmp_path: Path) -> None:
    expected_files, _ = expected("rescore", tmp_path)
    root = tmp_path / "together"
    unscored(root)
    assert at_once(["rescore", "--out", f"{root}/o"], root, 8) == [0] * 8
    sound(root)
    assert state(root) == expected_files


def test_of_eight_runs_at_once_one_solves_and_the_others_say_so(tmp_path: Path) -> None:
    expected_files, _ = expected("run", tmp_path)
    root = tmp_path / "together"
    root.mkdir()
    words = ["run", *GMM, f"out={root}/o"]
    statuses = at_once(words, root, 8)
    assert 0 in statuses
    assert set(statuses) <= {0, 1}
    assert command(words, root)[0] == 0
    sound(root)
    assert state(root) == expected_files


def test_shards_of_several_partitions_at_once_are_one_cell(tmp_path: Path) -> None:
    root = tmp_path / "together"
    root.mkdir()
    pids = []
    for shard in ("0/2", "1/2", "0/3", "1/3", "2/3"):
        pid = os.fork()
        if not pid:
            words = ["run", *GMM, "n=6", f"shard={shard}", f"out={root}/o"]
            status, _ = command([w for w in words if w != "n=3"], root.with_name(f"shard-{os.getpid()}"))
            os._exit(status)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 5
    sound(root)
    images = {json.loads(line)["image"] for path in root.rglob("records.jsonl") for line in path.open()}
    assert len(images) == 6
