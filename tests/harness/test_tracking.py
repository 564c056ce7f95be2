"""What trackers are told of cells, and that no fault of theirs reaches a cell: a tracker that writes down its calls."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL.Image import Image
from running import CATALOG

import invbench as ib
from invbench.errors import ConfigError, LockedCell, PluginError
from invbench.harness.choices import choices
from invbench.harness.jobs import run_request
from invbench.harness.outcome import Done
from invbench.harness.request import Request
from invbench.harness.tracking import Trackers, means
from invbench.store.files import MEAN
from invbench.store.reader import load_cell
from invbench.store.writer import CellStore

WORDS = ("solver=ddrm", "task=denoise", "benchmark=gmm", "n=4", "batch_size=2", "solver.nfe=3", "references=false")


class Diary(ib.Tracker):
    """Writes down what it is told, and fails in the method that it is given, as it is given."""

    name: ClassVar[str] = "diary"

    def __init__(self, fails: str = "", how: BaseException | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails, self.how = fails, how or ValueError("no paper")

    def told(self, method: str, *arguments: Any) -> None:
        self.calls.append((method, *arguments))
        if method == self.fails:
            raise self.how

    def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
        self.told("begin", kind, name, key, config)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.told("log", step, values)

    def end(self, status: str, values: Mapping[str, float], picture: Image | None) -> None:
        self.told("end", status, values, picture)

    @property
    def methods(self) -> list[str]:
        return [call[0] for call in self.calls]


def run(out: Path, *words: str, trackers: Trackers | None = None) -> Done:
    given = {word.partition("=")[0]: word for word in (*WORDS, *words, f"out={out}")}
    (choice,) = choices([*given.values()], CATALOG)
    return run_request(Request(choice, "", "test"), CATALOG, lambda done, total: None, trackers=trackers)


def test_a_cell_is_told_from_its_beginning_to_its_means(tmp_path: Path) -> None:
    diary = Diary()
    outcome = run(tmp_path, trackers=Trackers([diary])).outcome
    (_, kind, name, key, config), (_, status, values, picture) = diary.calls
    assert (kind, name, key) == ("cell", "gmm/denoise/ddrm", outcome.cell)
    assert {"solver.name": "ddrm", "solver.nfe": 3, "seed": 0, "benchmark.name": "gmm"}.items() <= config.items()
    assert status == "complete"
    frame = load_cell(outcome.folder).frame
    for metric in ("psnr", "seconds", "nfe_forward"):
        assert values[metric] == pytest.approx(frame[frame["metric"] == metric]["value"].mean())
    assert values["nfe_forward"] == 3
    side = CATALOG.get("dataset", "gmm")().x_shape[-1]
    assert picture.size == (4 * side, side)


def test_a_cell_and_its_numbers_are_the_same_with_and_without(tmp_path: Path) -> None:
    def numbers(done: Done) -> list[list[Any]]:
        rows = map(json.loads, (done.outcome.folder / "records.jsonl").read_text().splitlines())
        return [[*row.values()] for row in rows if row["metric"] != "seconds"]

    plain = run(tmp_path / "plain")
    tracked = run(tmp_path / "tracked", "track=wandb,mlflow", trackers=Trackers([Diary()]))
    assert tracked.outcome.cell == plain.outcome.cell
    assert numbers(tracked) == numbers(plain)


def test_what_is_recorded_already_is_told_again(tmp_path: Path) -> None:
    run(tmp_path)
    diary = Diary()
    assert run(tmp_path, trackers=Trackers([diary])).outcome.solved == 0
    assert diary.methods == ["begin", "end"]
    assert diary.calls[1][1] == "complete"
    assert diary.calls[1][2]["psnr"] > 0


def test_scores_of_samples_and_of_their_mean_have_names_of_their_own(tmp_path: Path) -> None:
    cell = load_cell(run(tmp_path, "samples=3").outcome.folder)
    values, frame = means(cell), cell.frame
    psnr = frame[frame["metric"] == "psnr"]
    assert values["psnr"] == pytest.approx(psnr[psnr["sample"] != MEAN]["value"].mean())
    assert values["psnr_of_mean"] == pytest.approx(psnr[psnr["sample"] == MEAN]["value"].mean())
    assert values["psnr_of_mean"] != pytest.approx(values["psnr"], abs=1e-3)
    together = frame[frame["metric"] == "crps"]["value"]
    assert values["crps"] == pytest.approx(together.mean())


def test_images_that_are_no_pictures_have_none(tmp_path: Path) -> None:
    diary = Diary()
    run(tmp_path, "benchmark=gmm2d", trackers=Trackers([diary]))
    assert diary.calls[1][3] is None


@pytest.mark.parametrize("method", ["begin", "end"])
@pytest.mark.parametrize("how", [ValueError("no paper"), SystemExit(3), MemoryError("full")], ids=type)
def test_a_tracker_that_fails_costs_its_own_export_alone(method: str, how: BaseException, tmp_path: Path) -> None:
    bad, good = Diary(method, how), Diary()
    bad.name = "bad"  # type: ignore[misc]
    trackers = Trackers([bad, good])
    with pytest.warns(UserWarning, match="tracker bad failed and is left out from here on: "):
        assert run(tmp_path, trackers=trackers).outcome.status == "complete"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(tmp_path, "seed=1", trackers=trackers).outcome.status == "complete"
    assert bad.methods == ["begin", "end"][: 1 + (method == "end")], "it is told nothing more"
    assert good.methods == ["begin", "end"] * 2


def test_a_tracker_changes_neither_the_generators_nor_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    class Careless(Diary):
        def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
            config.clear()  # type: ignore[attr-defined]
            os.environ["INVBENCH_TRACKED"] = "1"
            sys.argv = ["other"]

    diary, arguments = Diary(), sys.argv
    run(tmp_path, trackers=Trackers([Careless(), diary]))
    run(tmp_path, trackers=Trackers([diary]))
    assert "INVBENCH_TRACKED" not in os.environ
    assert sys.argv is arguments
    assert all(call[4]["solver.nfe"] == 3 for call in diary.calls if call[0] == "begin")


def test_how_a_cell_ended_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ddrm = CATALOG.get("solver", "ddrm")

    def statuses(*words: str, error: BaseException | None = None) -> list[str]:
        diary = Diary()
        if error:

            def fails(*_: Any, **__: Any) -> None:
                raise error

            monkeypatch.setattr(ddrm, "solve", fails)
        try:
            run(tmp_path, *words, trackers=Trackers([diary]))
        except KeyboardInterrupt:
            assert isinstance(error, KeyboardInterrupt)
        return [call[1] for call in diary.calls if call[0] == "end"]

    assert statuses("task=phase_retrieval") == ["skipped"]
    assert statuses(error=ValueError("broken")) == ["failed"]
    assert statuses(error=KeyboardInterrupt()) == ["interrupted"]


def test_a_cell_that_another_process_runs_is_left_to_its_trackers(tmp_path: Path) -> None:
    folder, diary = run(tmp_path).outcome.folder, Diary()
    with CellStore(folder).writing(), pytest.raises(LockedCell):
        run(tmp_path, trackers=Trackers([diary]))
    assert diary.calls == []


def test_a_damaged_cell_is_warned_of_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(cell: Any) -> None:
        raise OSError("no such picture")

    monkeypatch.setattr("invbench.harness.tracking.picture", damaged)
    diary = Diary()
    with pytest.warns(UserWarning, match="gmm/denoise/ddrm is not exported: OSError: no such picture"):
        assert run(tmp_path, trackers=Trackers([diary])).outcome.status == "complete"
    assert diary.calls[-1] == ("end", "complete", {}, None)


@pytest.mark.long
def test_cells_in_other_processes_and_in_shards_are_told_once(tmp_path: Path) -> None:
    diary = Diary()
    apart = run(tmp_path / "a", "isolate=true", trackers=Trackers([diary])).outcome
    parted = run(tmp_path / "b", "shards=2", trackers=Trackers([diary])).outcome
    assert diary.methods == ["begin", "end"] * 2
    assert [call[3] for call in diary.calls if call[0] == "begin"] == [apart.cell, parted.cell]
    ends = [call for call in diary.calls if call[0] == "end"]
    assert ends[0][2]["psnr"] == ends[1][2]["psnr"]
    assert ends[0][3].tobytes() == ends[1][3].tobytes()


def test_trackers_are_named_alone_or_in_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    class Made(Diary):
        def __init__(self) -> None:
            made.append(self.name)

    class Other(Made):
        name: ClassVar[str] = "other"

    plugins = {cls.name: type("Offer", (), {"cls": cls, "name": cls.name}) for cls in (Made, Other)}
    monkeypatch.setitem(CATALOG.plugins, "tracker", plugins)
    for text, names in {
        "": [],
        "[]": [],
        "diary": ["diary"],
        "other,diary": ["other", "diary"],
        "[diary, other]": ["diary", "other"],
        "diary,diary": ["diary"],
    }.items():
        made: list[str] = []
        assert bool(Trackers.of(text, CATALOG)) == bool(names)
        assert made == names
    with pytest.raises(PluginError, match="unknown tracker 'othr'; did you mean 'other'"):
        Trackers.of("diary,othr", CATALOG)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_an_absent_library_is_told_with_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"track={name} needs the package {name}: pip install 'invbench\[{name}\]'"):
        Trackers.of(name, CATALOG)


def test_a_tracker_that_cannot_be_made_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Diary):
        def __init__(self) -> None:
            raise RuntimeError("no key")

    offer = type("Offer", (), {"cls": Broken, "name": "diary"})
    monkeypatch.setitem(CATALOG.plugins, "tracker", {"diary": offer})
    with pytest.raises(PluginError, match="tracker diary: RuntimeError: no key"):
        Trackers.of("diary", CATALOG)
