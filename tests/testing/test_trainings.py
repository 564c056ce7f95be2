"""A step of a training in the conformance kit: on two draws, with a card, in a folder that goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from invbench.errors import ConfigError
from invbench.testing.problems import SHAPE
from invbench.testing.trainings import Blocks, Draws, one_step


@dataclass(frozen=True)
class Chosen:
    """A number of steps that may be chosen, from a least one on."""

    steps: int = 9
    least: int = 1

    def __post_init__(self) -> None:
        if self.steps < self.least:
            raise ConfigError("too few")


@dataclass(frozen=True)
class Fixed(Chosen):
    least: int = 5


def fitted(options: type[Any], **parts: Any) -> tuple[Any, Path]:
    seen = []

    def fit(training: Any) -> Path:
        seen.append(training)
        return Path(training.folder)

    with one_step(fit, options, SHAPE, torch.device("cpu"), parts) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    return seen[0], folder


def test_one_step_is_made_or_the_last_of_as_many_as_there_must_be() -> None:
    training, _ = fitted(Chosen)
    assert (training.options.steps, training.measured) == (1, None)
    training, _ = fitted(Fixed)
    assert training.options.steps == 9


def test_parts_are_in_the_card_and_a_task_measures_what_is_watched() -> None:
    training, _ = fitted(Chosen, task=Blocks())
    assert training.config["task"]["name"] == Blocks.name
    assert training.measured.y.shape == (2, 3, 2, 3)
    images = Draws(SHAPE)
    assert torch.equal(training.measured.x[1], images.load("b"))
    assert not torch.equal(images.load("a"), images.load("b"))
