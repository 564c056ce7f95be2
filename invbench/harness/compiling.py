"""torch.compile of a prior's network, if it saves more time than it takes."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from invbench.artifacts import cache_folder
from invbench.errors import ConfigError
from invbench.guard import reason_of
from invbench.harness.free_prior import network_device
from invbench.prior import Prior

REPAYING_CALLS = 3000  # calls of a batch that save a minute on a GPU, about what compiling takes
GRAPH_ROWS = 4  # up to this batch, starting kernels takes longer than running them: CUDA graphs start them all at once


class CompiledNetwork(nn.Module):
    """A network compiled for batches of ``rows``; batches of other sizes use the uncompiled network."""

    def __init__(self, net: nn.Module, rows: int, graphs: bool) -> None:
        super().__init__()
        self.net, self.rows = net, rows
        mode = "reduce-overhead" if graphs else "default"
        self.compiled: Callable[..., Tensor] = torch.compile(net, mode=mode, dynamic=False)

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        """The network's output, in memory that the next call does not overwrite."""
        if len(x) != self.rows:
            out: Tensor = self.net(x, *args)
            return out
        torch.compiler.cudagraph_mark_step_begin()
        return self.compiled(x, *args).clone()


def repays(device: torch.device, calls: float) -> bool:
    """Whether compiling pays off for this number of calls; never on a CPU, where it gains nothing."""
    return device.type == "cuda" and calls >= REPAYING_CALLS


def compiled(prior: Prior, rows: int, needs_grad: bool) -> Prior:
    """The prior with its network compiled for batches of ``rows``, after a first call.

    The compiled code is cached on disk for the next process. Raises ConfigError for a prior without a network, or if
    compiling fails.
    """
    net = getattr(prior, "net", None)
    if net is None:
        raise ConfigError(f"compile=true: {type(prior).__name__} has no network to compile; leave compile out")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    device, fast = network_device(prior), copy.copy(prior)
    fast.net = CompiledNetwork(net, rows, graphs=device.type == "cuda" and rows <= GRAPH_ROWS)
    try:
        first_call(fast, rows, device, needs_grad)
    except Exception as error:
        reason = reason_of(error).splitlines()[0]
        raise ConfigError(f"compiling the network failed ({reason}); use compile=false") from error
    return fast


def first_call(prior: Prior, rows: int, device: torch.device, needs_grad: bool) -> None:
    """Call the prior on zeros, with its backward pass if needed: kernels are chosen at the first call."""
    with torch.inference_mode(not needs_grad):
        x = torch.zeros(rows, *prior.x_shape, device=device, requires_grad=needs_grad)
        eps = prior.eps(x, 0)
        if needs_grad:
            eps.sum().backward()
