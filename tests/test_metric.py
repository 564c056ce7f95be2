"""What metrics have that say nothing of it themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from invbench import SetMetric


class Gap(SetMetric):
    """The distance of means."""

    name = "gap"
    protocol = "gap/1"
    higher_is_better = False

    def __call__(self, x_hat: Tensor, measurement: Any) -> Tensor:
        return x_hat.flatten(1)

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        return float((truth.mean(0) - restored.mean(0)).abs().sum())


def test_a_set_metric_has_its_distance_on_every_resample_and_no_interval_of_its_own() -> None:
    truth, restored = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [3.0], [8.0]])
    picks = torch.tensor([[0, 0, 0], [1, 1, 1], [0, 1, 2], [2, 2, 1]])
    assert Gap().distances(truth, restored, picks) == pytest.approx([0, 2, 8 / 3, 14 / 3])
    assert Gap().estimate(truth, restored, ["a", "b", "c"]) is None


def test_a_metric_has_a_value_of_every_measurement_unless_it_says_otherwise() -> None:
    assert Gap().unavailable(None) is None  # type: ignore[arg-type]
