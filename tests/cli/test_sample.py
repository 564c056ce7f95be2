"""invbench sample, in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called as invbench

from invbench.weights import read_card


def test_samples_of_a_prior_are_written_and_a_solver_trains_on_them(tmp_path: Path) -> None:
    words = ["sample", "prior=adm_photos", "side=16", "nfe=2"]
    drawn = invbench([*words, "n=2"], tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    folder = tmp_path / drawn.stdout.strip()
    first = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert sorted(first) == ["000000.png", "000001.png"]
    more = invbench([*words, "n=3"], tmp_path)
    assert "1/1 samples" in more.stderr
    assert {name: (folder / name).read_bytes() for name in first} == first


def test_davi_g_draws_its_images_once_and_trains_on_them(tmp_path: Path) -> None:
    words = ["train", "benchmark=gmm", "prior=adm_gmm", "solver=davi", "task=sr4", "+recipe=davi_g", "samples=3"]
    words += ["samples_nfe=2", "training.batch_size=2"]
    trained = invbench([*words, "training.steps=2"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "3/3 samples" in trained.stderr
    (card,) = (read_card(path) for path in tmp_path.rglob("weights.safetensors"))
    assert (card["dataset"]["name"], card["dataset"]["images"]) == ("samples", 3)
    again = invbench([*words, "training.steps=3"], tmp_path)
    assert again.returncode == 0, again.stderr
    assert "samples" not in again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["n=3"], "expected prior=NAME"),
        (["prior=adm_photos", "m=3"], "unknown option 'm'"),
        (["prior=adm_photos", "n=0"], "n must be at least 1; got 0"),
        (["prior=adm_photos", "seed=-1"], "seed must be at least 0; got -1"),
        (["prior=adm_fotos"], "did you mean 'adm_photos'"),
        (["prior=adm_photos", "nfe=2000"], "a time grid needs between 1 and 1000 steps; got 2000"),
        (["adm_photos"], "expected key=value, got 'adm_photos'"),
    ],
)
def test_wrong_requests_for_samples_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    refused = invbench(["sample", *words], tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
