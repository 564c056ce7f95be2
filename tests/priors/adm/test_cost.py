"""The arithmetic of the ADM networks against published figures and the counter of torch."""

from __future__ import annotations

import pytest
import torch
from made_networks import RICH, TINY
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from invbench import Arithmetic
from invbench.priors.adm.cost import count
from invbench.priors.adm.sources import AdmFfhq256, AdmImagenet256
from invbench.priors.adm.unet import UNet, UNetConfig


def test_cost_of_the_published_networks() -> None:
    faces, imagenet = count(AdmFfhq256.config(), 256), count(AdmImagenet256.config(), 256)
    multiply_adds, normed, upsampled = 193_967_095_808, 138_575_872, 28_573_696
    assert faces == Arithmetic((3, 256, 256), 93_563_910, multiply_adds, multiply_adds + 5 * normed + upsampled)
    assert faces.fvcore == 194_688_548_864
    assert imagenet.fvcore == 1_121_891_057_664


@pytest.mark.parametrize("config", [TINY, RICH])
def test_cost_agrees_with_the_counter_of_torch(config: UNetConfig) -> None:
    """The fused attention of a CPU is not counted there; its plain form is, as two matrix products."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        UNet(config)(torch.zeros(1, 3, 16, 16), torch.zeros(1))
    assert counter.get_total_flops() == 2 * count(config, 16).macs
