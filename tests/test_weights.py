"""Weights of the right shapes that are no prior's: a solver's, and whole numbers."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from invbench.errors import DataError
from invbench.priors.adm.sources import invbench_register_priors
from invbench.weights import read_card

(PHOTOS,) = [cls for cls in invbench_register_priors() if cls.name == "adm_photos"]
SHIPPED = Path(str(files("invbench.priors.adm"))) / "weights" / "adm_photos.safetensors"


def loaded(path: Path) -> None:
    PHOTOS(weights=str(path)).load((3, 64, 64), "cpu")


def test_weights_of_a_solver_are_no_prior(tmp_path: Path) -> None:
    path = tmp_path / "davi.safetensors"
    save_file(load_file(SHIPPED), path, {"card": '{"solver": {"name": "davi"}}'})
    with pytest.raises(DataError, match=r"holds weights of solver davi, not a prior's; name it as solver\.weights"):
        loaded(path)


def test_a_card_of_a_prior_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    save_file(load_file(SHIPPED), path, {"card": '{"prior": {"name": "adm_photos"}}'})
    loaded(path)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    save_file({key: value.to(torch.int32) for key, value in load_file(SHIPPED).items()}, path)
    with pytest.raises(DataError, match="expected floating point numbers, got int32 in "):
        loaded(path)


@pytest.mark.parametrize("card", ["[" * 50_000, "[1]", "{", "1"])
def test_a_card_that_is_none_is_told(tmp_path: Path, card: str) -> None:
    path = tmp_path / "card.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"card": card})
    with pytest.raises(DataError, match=r"the card in .* is damaged"):
        read_card(path)
