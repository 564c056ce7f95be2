"""The network against the published order of computation, in one process; the arithmetic it reaches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from measuring import CONFIG, DEVICE, ROWS, SIDE, medians, network
from published_unet import plain_forward, published
from torch import Tensor

from invbench.harness.compiling import compiled
from invbench.priors.adm.cost import count
from invbench.priors.adm.prior import AdmPrior

T = 500
HALF = torch.bfloat16


def both(rows: int, dtype: torch.dtype, needs_grad: bool = False) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Calls of the published network and of ours, compiled, for a batch; with their backward pass where asked for."""
    prior = AdmPrior(network(dtype), (3, SIDE, SIDE), dtype)
    plain, fast = published(prior.net, dtype), compiled(prior, rows, needs_grad)
    x = torch.randn(rows, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    times = torch.full((rows,), T, device=DEVICE)

    def passed(call: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.inference_mode(not needs_grad):
            z = x.clone().requires_grad_(needs_grad)
            out = call(z)
            if needs_grad:
                out.sum().backward()
        return out.detach()

    return lambda: passed(lambda z: plain_forward(plain, z, times)[:, :3]), lambda: passed(lambda z: fast.eps(z, T))


@pytest.mark.parametrize(("rows", "bar"), [(1, 0.35), (ROWS, 0.45)])
def test_a_call_takes_a_share_of_the_published_order(rows: int, bar: float, figure: Callable[..., None]) -> None:
    theirs, ours = medians(*both(rows, HALF))
    figure(f"network, batch {rows}, half precision, of the published order", ours / theirs, at_most=bar)
    figure(f"network, batch {rows}, half precision, milliseconds per image", 1e3 * ours / rows)
    if rows == ROWS:
        speed = 2 * count(CONFIG, SIDE).macs * rows / ours / 1e12
        figure(f"network, batch {rows}, half precision, TFLOP/s", speed, "{:.0f}", at_least=250)


def test_a_gradient_takes_a_share_of_the_published_order(figure: Callable[..., None]) -> None:
    theirs, ours = medians(*both(4, HALF, needs_grad=True))
    figure("network forward and backward, batch 4, of the published order", ours / theirs, at_most=0.6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_precisions_differ_by(dtype: torch.dtype, figure: Callable[..., None]) -> None:
    exact = published(network(torch.float32), torch.float32)
    with torch.no_grad():  # a fresh network predicts zero
        head = exact.out[2].weight
        head.copy_(torch.randn(head.shape, generator=torch.Generator().manual_seed(1)).to(head) / 40)
    prior = AdmPrior(network(dtype), (3, SIDE, SIDE), dtype)
    prior.net.out[2].weight.copy_(head)
    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    with torch.inference_mode():
        want, got = plain_forward(exact, x, torch.full((2,), T, device=DEVICE))[:, :3], prior.eps(x, T)
    bar = {torch.float32: 1e-4}.get(dtype, 0.1)
    figure(
        f"network in {str(dtype).removeprefix('torch.')}, relative error",
        float((got - want).norm() / want.norm()),
        "{:.1e}",
        at_most=bar,
    )
