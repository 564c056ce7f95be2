"""Which weights a trainable solver takes, and which it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from invbench_solvers.davi.solver import Davi

import invbench as ib
from invbench.trained import refuse_other_training, trained_weights


def test_shipped_weights_are_found_by_preset_and_task_or_by_name_and_others_by_path(tmp_path: Path) -> None:
    shipped = trained_weights(Davi(), "photos", "sr4")
    assert shipped.parts[-4:] == ("davi", "weights", "photos", "sr4.safetensors")
    assert trained_weights(Davi(weights="sr4"), "photos", "colorize") == shipped, "the name may be another task's"
    own = tmp_path / "own.safetensors"
    own.touch()
    assert trained_weights(Davi(weights=str(own)), "photos", "sr4") == own


@pytest.mark.parametrize(
    ("weights", "preset", "message"),
    [
        ("", "gmm2d", "davi: no weights are shipped for task 'cs4' of 'gmm2d'; train them with 'invbench train"),
        (
            "nowhere",
            "photos",
            "davi: no weights at nowhere; train them with 'invbench train solver=davi",
        ),
        ("", "ffhq256", "no weights are shipped for task 'cs4' of 'ffhq256'; .* name the file: solver.weights=FILE"),
    ],
)
def test_weights_that_are_not_there_come_with_their_training(weights: str, preset: str, message: str) -> None:
    with pytest.raises(ib.DataError, match=message):
        trained_weights(Davi(weights=weights), preset, "cs4")


CARD = {"solver": {"name": "davi"}, "benchmark": "photos", "task": {"name": "sr4", "factor": 4, "noise": "other"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": {"name": "i2sb"}}, "holds no weights of a training of davi"),
        ({"benchmark": "gmm"}, "for task 'sr4' of 'gmm', not for 'sr4' of 'photos'; .*or set solver.transfer=true"),
        ({"task": {"name": "sr4", "factor": 2}}, "with task.factor=2, not 4"),
        ({"solver": {"name": "davi", "h": 9.5}}, "was trained with h=9.5; set solver.h=9.5"),
    ],
)
def test_weights_of_another_training_are_refused(changes: dict[str, Any], message: str) -> None:
    task, path = {"name": "sr4", "factor": 4, "noise": "this", "mask": ""}, Path("w")
    refuse_other_training(Davi(), CARD, "photos", task, path, ["h"])  # another noise, and no mask before there was one
    with pytest.raises(ib.DataError, match=message):
        refuse_other_training(Davi(), {**CARD, **changes}, "photos", task, path, ["h"])


def test_another_solvers_weights_are_taken_where_they_are_said_to_fit() -> None:
    other = {**CARD, "solver": {"name": "i2sb"}}
    refuse_other_training(Davi(), other, "photos", {"name": "sr4"}, Path("w"), trained_as=["i2sb"])
