"""What the core asks of a dataset beside its images."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import pytest
import torch

from invbench.dataset import Dataset
from invbench.plugins import load_catalog


@dataclass(frozen=True)
class Plain(Dataset):
    """As plugins wrote them before."""

    name: ClassVar[str] = "plain"

    @property
    def x_shape(self) -> tuple[int, int, int]:
        return (3, 8, 8)

    def ids(self) -> list[str]:
        return ["a"]

    def load(self, image_id: str) -> torch.Tensor:
        return torch.zeros(self.x_shape)


def test_a_dataset_needs_to_say_nothing_of_files() -> None:
    dataset = Plain()
    assert (dataset.places, dataset.fingerprint()) == ((), "")
    dataset.check(["a", "absent"])


@pytest.mark.parametrize("name", sorted(load_catalog().plugins["dataset"]))
def test_places_are_options(name: str) -> None:
    cls = load_catalog().get("dataset", name)
    assert set(cls.places) <= {field.name for field in fields(cls)}
    assert ("root" in cls.places) == ("root" in {field.name for field in fields(cls)})
