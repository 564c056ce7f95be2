"""The discriminator."""

from __future__ import annotations

import pytest
import torch
from davi_parts import adversary


def test_the_discriminator_has_the_size_of_the_released_one() -> None:
    judge = adversary.Discriminator()
    assert sum(p.numel() for p in judge.parameters()) == 2_766_529
    assert [out.shape[-1] for out in judge(torch.zeros(1, 3, 256, 256))] == [129, 65, 33, 34, 35]


def test_the_adversarial_losses_are_hinge_and_feature_matching() -> None:
    assert adversary.judge_loss(torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])).item() == 0.5 * (0.5 + 1.0)
    real, fake = [torch.zeros(2), torch.zeros(1)], [torch.tensor([1.0, -3.0]), torch.tensor([4.0])]
    assert adversary.fool_loss(real, fake).item() == 2.0 - 4.0


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 2.0), (1e-6, 10.0), (1e6, 0.01)])
def test_the_adaptive_weight_is_a_clipped_ratio_of_gradients(scale: float, expected: float) -> None:
    W = torch.tensor([1.0, 1.0], requires_grad=True)
    weight = adversary.adaptive_weight((2 * W).sum(), (scale * W).sum(), W)
    assert weight.item() == pytest.approx(expected, rel=1e-3)
