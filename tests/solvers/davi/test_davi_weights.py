"""Checkpoints: the authors', ours, those of another training, and those that are shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from davi_parts import Davi, learning, official, ours

import invbench as ib
from invbench.priors.adm.sources import AdmPhotos
from invbench.weights import read_card


@pytest.mark.parametrize("nested", [False, True])
def test_the_authors_checkpoints_load_and_the_average_is_taken(tmp_path: Path, nested: bool) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    solver = Davi(weights=str(official(tmp_path, prior.net, nested)))
    phi = solver.prepare(ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos"), prior)
    for key, value in prior.net.state_dict().items():
        torch.testing.assert_close(phi.net.state_dict()[key], value / 10)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"task": {"name": "denoise"}},
            r"trained for task 'denoise' of 'photos', not for 'sr4' of 'photos'; train them",
        ),
        ({"benchmark": "ffhq256"}, r"task 'sr4' of 'ffhq256', not for 'sr4' of 'photos'.*or set solver.transfer=true"),
        (
            {"solver": {"name": "davi", "bridge": "linear", "output": "tanh", "perturbation": "rising"}},
            r"was trained with bridge=linear; set solver.bridge=linear",
        ),
        ({"solver": {"name": "davi", "h": 0.0}}, r"was trained with h=0.0; set solver.h=0.0"),
        ({"task": {"name": "sr4", "factor": 2}}, r"was trained with task.factor=2, not 4; train again"),
        ({"solver": {}}, r"holds no weights of a training of davi; train them with"),
    ],
)
def test_weights_of_another_training_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos", {"factor": 4})
    path = str(ours(tmp_path, prior.net, **changed))
    with pytest.raises(ib.DataError, match=message):
        Davi(weights=path).prepare(problem, prior)
    if "solver" not in changed:
        Davi(weights=path, transfer=True).prepare(problem, prior)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = ours(tmp_path, torch.nn.Linear(2, 2))
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    with pytest.raises(ib.DataError, match=r"does not fit the network: \d+ missing: .* 2 unexpected: bias, weight"):
        Davi(weights=str(path)).prepare(problem, AdmPhotos().load((3, 16, 16), "cpu"))


def test_the_initialisation_of_the_masked_region_is_part_of_the_form_of_the_weights(tmp_path: Path) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    path = str(ours(tmp_path, prior.net))
    Davi(weights=path, fill="zero").prepare(problem, prior)  # of before there were fillings
    with pytest.raises(ib.DataError, match=r"was trained with fill=zero; set solver.fill=zero"):
        Davi(weights=path, fill="smooth").prepare(problem, prior)


def test_a_task_without_weights_names_the_commands_that_get_them() -> None:
    with pytest.raises(
        ib.DataError, match=r"no weights are shipped .* 'invbench train solver=davi benchmark=photos task=cs4'"
    ):
        Davi().checkpoint("photos", "cs4")
    with pytest.raises(ib.DataError, match=r"no weights at nowhere.pt; train them with"):
        Davi(weights="nowhere.pt").checkpoint("photos", "sr4")


def test_the_authors_checkpoints_are_found_by_preset_and_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    with pytest.raises(ib.DataError, match=r"get it with 'invbench fetch davi_ffhq256_sr4'.*; or train them with"):
        Davi().checkpoint("ffhq256", "sr4")
    (tmp_path / "davi" / "ffhq").mkdir(parents=True)
    path = official(tmp_path / "davi" / "ffhq", torch.nn.Linear(1, 1), nested=False)
    assert Davi().checkpoint("ffhq256", "sr4") == path


WEIGHTS = Path(learning.__file__).with_name("weights")


@pytest.mark.parametrize("path", sorted(WEIGHTS.rglob("*.safetensors")), ids=str)
def test_shipped_weights_have_metadata(path: Path) -> None:
    card = read_card(path)
    assert card["benchmark"] == path.relative_to(WEIGHTS).parts[0]
    assert card["task"]["name"] == path.stem
    assert {"command", "seed", "seconds", "step", "losses", "validation", "machine"} <= card.keys()
    assert len(card["dataset"]["sha256"]) == 64
    assert "/" not in json.dumps({**card, "origin": ""}).replace("1 / 2", "")


def test_shipped_weights_are_found_by_their_name() -> None:
    assert (
        Davi(weights="variational").checkpoint("photos", "sr4")
        == WEIGHTS / "photos" / "variational" / "sr4.safetensors"
    )
    with pytest.raises(ib.DataError, match="no weights at variational"):
        Davi(weights="variational").checkpoint("photos", "denoise")
