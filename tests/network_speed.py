"""The network on a CPU against the published order of computation, and against its arithmetic.

    OMP_NUM_THREADS=2 python tests/network_speed.py [photos|ffhq] [ROUNDS]

In one process, in turn, medians.
"""

from __future__ import annotations

import sys

import torch
from bench.timing import seconds
from made_networks import randomised
from published_unet import plain_forward, published

from invbench.harness.bench import matmul_speed
from invbench.priors.adm.cost import count
from invbench.priors.adm.sources import AdmFfhq256, AdmPhotos
from invbench.priors.adm.unet import convolve_in

SHAPES = {"photos": (AdmPhotos.config(), (16, 3, 64, 64)), "ffhq": (AdmFfhq256.config(), (1, 3, 256, 256))}


def main(name: str, rounds: int) -> None:
    """Print the ratios of one network."""
    config, shape = SHAPES[name]
    net = randomised(config).to(memory_format=torch.channels_last)
    plain, half = published(net, torch.float32), randomised(config).to(memory_format=torch.channels_last)
    convolve_in(half, torch.bfloat16)
    x, t = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.tensor([500])
    last = x.contiguous(memory_format=torch.channels_last)
    calls = (
        lambda: plain_forward(plain, x, t.expand(len(x))),
        lambda: net(last, t),
        lambda: half(last.bfloat16(), t),
    )
    with torch.inference_mode():
        apart = (calls[0]() - calls[1]()).abs().max() / calls[0]().abs().max()
        theirs, ours, bfloat16 = seconds(*calls, rounds=rounds)
    floor = 2 * count(config, shape[2]).macs * shape[0] / matmul_speed(torch.device("cpu"), torch.float32)
    print(
        f"{'x'.join(map(str, shape))}, {torch.get_num_threads()} threads: published {theirs:.3f} s, ours {ours:.3f} s, "
        f"ratio {ours / theirs:.3f}, of floor {ours / floor:.2f}; bfloat16 {bfloat16:.3f} s, ratio "
        f"{bfloat16 / theirs:.3f}; float32 differs by {apart:.1e} of the largest value"
    )


if __name__ == "__main__":
    names = sys.argv[1:2] or list(SHAPES)
    for each in names:
        main(each, int(sys.argv[2]) if len(sys.argv) > 2 else {"photos": 15, "ffhq": 5}[each])
