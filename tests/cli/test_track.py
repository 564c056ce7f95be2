"""``track=`` of the commands, with the tracker and the trained solver of docs/plugins.md: lines in journal.jsonl."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Result, called
from pages import install

import invbench
from invbench.errors import ConfigError
from invbench.store.reader import load_cells
from invbench.training import Training
from invbench.weights import read_tensors

PLANE = ("solver=pinv", "benchmark=gmm2d", "task=denoise", "n=2", "references=false", "isolate=false")
TRAIN = ("train", "solver=corrector", "benchmark=gmm2d", "task=denoise", "training.steps=40", "save_every=20")
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's modules as an installed distribution."""
    return install("plugins.md", tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def command(site: Path, tmp_path: Path) -> Command:
    """A command in ``tmp_path``, with the tracker installed."""
    return lambda *words: called(words, tmp_path, site=site)


def journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_cell_of_a_sweep_is_told(command: Command, tmp_path: Path) -> None:
    done = command("run", *PLANE, "seed=0,1", "track=journal")
    assert done.returncode == 0, done.stderr
    begun, ended, *second = journal(tmp_path)
    cells = {cell.run.config.seed: cell for cell in load_cells(tmp_path / "results/runs")}
    assert (begun["begins"], begun["kind"], begun["key"]) == ("gmm2d/denoise/pinv", "cell", cells[0].id)
    assert (ended["ends"], ended["nfe_forward"]) == ("complete", 0)
    assert (second[0]["key"], second[0]["seed"]) == (cells[1].id, 1)
    assert len(second) == 2


def test_several_trackers_are_a_list_and_no_sweep(command: Command, tmp_path: Path) -> None:
    for words in ("track=journal,journal", "track=[journal,journal]", "++track=journal"):
        done = command("run", *PLANE, words)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("gmm2d/denoise/pinv: complete") == 1
    assert [line.get("ends") for line in journal(tmp_path)] == [None, "complete"] * 3


def test_references_are_told_and_nothing_is_without_being_asked(command: Command, tmp_path: Path) -> None:
    assert command("run", *PLANE, "track=").returncode == 0
    assert journal(tmp_path) == []
    words = [word for word in PLANE if not word.startswith("references")]
    assert command("run", *words, "solver=wiener", "track=journal").returncode == 2, "solver is given twice"
    assert command("run", *words, "track=journal").returncode == 0
    begun = [line["begins"].rpartition("/")[2] for line in journal(tmp_path) if "begins" in line]
    assert len(begun) > 1
    assert begun[-1] == "pinv"


@pytest.mark.parametrize("words", [("run", *PLANE), TRAIN], ids=lambda words: words[0])
def test_an_unknown_tracker_is_refused_before_anything_is_run(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    done = command(*words, "track=jurnal")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown tracker 'jurnal'; did you mean 'journal'?")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_commands_that_follow_nothing_refuse_it(command: Command, tmp_path: Path) -> None:
    benched = command("bench", *PLANE[:3], "track=journal")
    assert "error: track is for 'invbench run' and 'invbench train'" in benched.stderr
    y = torch.zeros(3, 16, 16)
    with pytest.raises(ConfigError, match="unknown option of restore 'track'"):
        invbench.restore("pinv", y, "denoise", sigma="0.1 [-1,1]", track="journal", progress=False)
    assert not journal(tmp_path)


def test_trackers_are_listed_and_have_no_checks(command: Command) -> None:
    assert "journal            lines in journal.jsonl  (mine 0.1.0)" in command("list", "trackers").stdout
    checked = command("check", "journal")
    assert checked.returncode == 2
    assert checked.stderr == "error: trackers have no conformance tests; try this one with track=journal\n"


def test_cells_of_a_launcher_are_told_once_and_by_the_command(command: Command, tmp_path: Path) -> None:
    done = command("run", *PLANE, "shards=2", "batch_size=1", "track=journal", "hydra/launcher=inline")
    assert done.returncode == 0, done.stderr
    assert [line.get("ends") for line in journal(tmp_path)] == [None, "complete"]


def test_a_training_is_told_the_lines_of_its_log(command: Command, tmp_path: Path) -> None:
    done = command(*TRAIN, "folder=here", "track=journal")
    assert done.returncode == 0, done.stderr
    begun, *lines, ended = journal(tmp_path)
    assert (begun["begins"], begun["kind"], len(begun["key"])) == ("gmm2d/denoise/corrector", "training", 12)
    assert (begun["training.steps"], begun["solver.name"], begun["seed"]) == (40, "corrector", 0)
    assert ended == {"ends": "complete"}
    log = [json.loads(line) for line in (tmp_path / "here" / "train.jsonl").read_text().splitlines()]
    assert lines == [{key: value for key, value in line.items() if key != "time"} for line in log]
    assert [(line["step"], *line.keys() - {"step"}) for line in lines] == [(20, "loss"), (40, "loss")]


@pytest.mark.long
def test_a_training_has_the_same_weights_with_a_tracker_and_with_one_that_fails(
    command: Command, tmp_path: Path
) -> None:
    def weights(folder: str) -> list[list[float]]:
        tensors = read_tensors(tmp_path / folder / "weights.safetensors")[1]
        return [tensors[key].flatten().tolist() for key in sorted(tensors)]

    assert command(*TRAIN, "folder=plain").returncode == 0
    assert command(*TRAIN, "folder=tracked", "track=journal").returncode == 0
    (tmp_path / "journal.jsonl").unlink()
    (tmp_path / "journal.jsonl").mkdir()  # which is not written to
    failed = command(*TRAIN, "folder=failed", "track=journal")
    assert failed.returncode == 0
    assert failed.stderr.count("warning: tracker journal failed and is left out from here on: IsADirectoryError") == 1
    assert weights("tracked") == weights("plain") == weights("failed")


@pytest.mark.long
def test_an_interrupted_training_and_one_that_fails_are_told_as_such(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Training.report

    def interrupted(self: Training, step: int, **values: float) -> None:
        report(self, step, **values)
        if step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "report", interrupted)
        assert command(*TRAIN, "folder=here", "track=journal").returncode == 130
    assert command(*TRAIN, "folder=here", "track=journal").returncode == 0
    assert command(*TRAIN, "training.lr=1e30", "folder=there", "track=journal").returncode == 2
    lines = journal(tmp_path)
    assert [line["ends"] for line in lines if "ends" in line] == ["interrupted", "complete", "failed"]
    first, second, third = (line["key"] for line in lines if "key" in line)
    assert first == second != third


def test_an_estimate_is_not_told(command: Command, tmp_path: Path) -> None:
    assert command(*TRAIN, "--dry-run", "track=journal").returncode == 0
    assert journal(tmp_path) == []


def test_runs_of_python_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Ours(invbench.Tracker):
        def begin(self, kind: str, name: str, key: str, config: Any) -> None:
            told.append(f"{self.name} {name} {config['seed']}")

        def log(self, step: int, values: Any) -> None: ...

        def end(self, status: str, values: Any, picture: Any) -> None:
            told.append(status)

    from invbench.api import running
    from invbench.plugins import Plugin, load_catalog

    catalog = load_catalog()
    for name in ("one", "two"):
        cls = type(name, (Ours,), {"name": name})
        catalog.plugins["tracker"][name] = Plugin("tracker", name, cls, "theirs", "1")
    monkeypatch.setattr(running, "load_catalog", lambda: catalog)
    options = {"n": 2, "references": False, "progress": False, "isolate": False, "out": str(tmp_path)}
    results = invbench.run("pinv", "denoise", "gmm2d", seed=(0, 1), track=["one", "two"], **options)
    assert len(results) == 2
    name = "gmm2d/denoise/pinv"
    first, second = ([f"one {name} {seed}", f"two {name} {seed}", "complete", "complete"] for seed in (0, 1))
    assert told == [*first, *second]
    with pytest.raises(invbench.InvbenchError, match="unknown tracker 'tow'; did you mean 'two'"):
        invbench.run("pinv", "denoise", "gmm2d", track="tow", **options)
