"""The network against a plain implementation of itself, in one process, as a ratio."""

from __future__ import annotations

import torch
from published_unet import plain_forward, published
from timing import seconds
from torch import Tensor

from invbench.priors.adm.sources import AdmPhotos

SHAPE = (16, 3, 64, 64)


def test_the_network_is_faster_than_a_plain_one() -> None:
    """About 1.3 times in a process of its own, 1.16 where earlier tests made the allocator keep its memory."""
    prior = AdmPhotos().load(SHAPE[1:], "cpu")
    plain = published(prior.net, torch.float32)
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))

    def slow() -> Tensor:
        with torch.no_grad():
            return plain_forward(plain, x, torch.full((len(x),), 500))

    def fast() -> Tensor:
        with torch.inference_mode():
            return prior.eps(x, 500)

    assert (slow()[:, :3] - fast()).abs().max() < 1e-4
    slow_seconds, fast_seconds = seconds(slow, fast)
    ratio = slow_seconds / fast_seconds
    print(f"\nplain {slow_seconds:.3f} s, ours {fast_seconds:.3f} s: {ratio:.2f} times as fast on {SHAPE}")
    assert ratio >= 1.05
