"""Several values of an option of ``train`` and ``sample``: one piece of work for each combination."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called as invbench

from invbench.cli.combinations import combinations, differing, each_of, status_of
from invbench.errors import ConfigError

NAMES = {"task": ["sr4", "sr8", "deblur"]}
SAMPLE = ["sample", "prior=adm_photos", "side=16", "nfe=2", "n=1"]
TRAIN = ["train", "solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=2"]


@pytest.mark.parametrize(
    ("texts", "jobs"),
    [
        (["a=1,2", "b=x"], [["a=1", "b=x"], ["a=2", "b=x"]]),
        (["a=1,2", "b=x,y", "-m"], [["a=1", "b=x"], ["a=1", "b=y"], ["a=2", "b=x"], ["a=2", "b=y"]]),
        (["task=glob(sr*)"], [["task=sr4"], ["task=sr8"]]),
        (["a=range(1,4)"], [["a=1"], ["a=2"], ["a=3"]]),
        (["a=choice(p,q)", "--multirun"], [["a=p"], ["a=q"]]),
        (["a=gaussian 0.1 [-1,1]", "b='x,y'", "c="], [["a=gaussian 0.1 [-1,1]", "b='x,y'", "c="]]),
        ([], [[]]),
    ],
)
def test_every_combination_of_values_is_a_piece_of_work(texts: list[str], jobs: list[list[str]]) -> None:
    assert combinations(texts, "example", NAMES) == jobs


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a"], "expected key=value, got 'a'; for example: example"),
        (["task=glob(hdr*)"], "has no values; of deblur, sr4, sr8"),
        (["a=range(200)", "b=range(200)"], "at most 10,000 combinations"),
        (["a=interval(0,1)"], "name no values here"),
    ],
)
def test_what_is_no_sweep_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        combinations(texts, "example", NAMES)


def test_what_differs_names_a_combination() -> None:
    assert differing([["a=1", "b=x"], ["a=2", "b=x"]]) == [{"a": "1"}, {"a": "2"}]


def test_one_that_fails_takes_no_other_with_it() -> None:
    def work(i: int) -> int:
        if i == 1:
            raise ConfigError("no")
        return 0

    done = each_of([["a=1"], ["a=2"], ["a=3"]], work)
    assert (done, status_of(done)) == ([0, "no", 0], 1)
    with pytest.raises(ConfigError, match="no"):
        each_of([["a=1"]], lambda _: work(1))


def test_after_an_interrupt_nothing_more_is_begun() -> None:
    done = each_of([["a=1"], ["a=2"]], lambda _: 130)
    assert (done, status_of(done)) == ([130], 130)


def test_samples_of_several_seeds_have_a_folder_each(tmp_path: Path) -> None:
    drawn = invbench([*SAMPLE, "seed=0,1"], tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    folders = [tmp_path / line for line in drawn.stdout.split()]
    assert ["seed0" in folders[0].name, "seed1" in folders[1].name] == [True, True]
    assert folders[0].joinpath("000000.png").read_bytes() != folders[1].joinpath("000000.png").read_bytes()
    refused = invbench([*SAMPLE[:-1], "n=0,1"], tmp_path)
    assert refused.returncode == 2
    assert "n must be at least 1; got 0" in refused.stderr


def test_trainings_of_several_values_end_with_a_table(tmp_path: Path) -> None:
    trained = invbench([*TRAIN, "training.steps=range(1,3)", "seed=0"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "1/2: training.steps=1" in trained.stderr
    lines = trained.stdout[trained.stdout.index("2 trainings") :].splitlines()
    assert lines[1].split() == ["training.steps", "status", "folder"]
    rows = [line.split() for line in lines[3:5]]
    assert [row[:2] for row in rows] == [["1", "trained"], ["2", "trained"]]
    assert all((tmp_path / row[2] / "weights.safetensors").is_file() for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["training.steps=1,2", "folder=f"], "folder=FOLDER is for a single training"),
        (["training.steps=1,0"], "training.steps must be at least 1; got 0"),
        (["solver=davi,ddrm"], "solver is given twice"),
    ],
)
def test_a_sweep_with_a_mistake_trains_nothing(words: list[str], message: str, tmp_path: Path) -> None:
    refused = invbench([*TRAIN, *words], tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_study_in_a_file_is_taken_as_by_a_run(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("solver: davi\ntask: [sr4, deblur]\ntraining: {steps: 9}\n")
    words = ["--config-dir", str(tmp_path), "+experiment=mine", "task=denoise,sr4"]
    made = [["solver=davi", "training.steps=9", f"task={task}"] for task in ("denoise", "sr4")]
    assert combinations(words, "", {}) == made
