"""What a reconstruction costs: network evaluations, seconds, bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that the clock sees the work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch:
    """Adds up spans of device time; on a GPU by events, so that measuring does not stall the stream."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._events: list[tuple[Any, Any]] = []

    @contextmanager
    def span(self, device: torch.device) -> Iterator[None]:
        """Time the body."""
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            yield
            end.record()
            self._events.append((start, end))
        else:
            begin = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - begin

    @property
    def seconds(self) -> float:
        """Total so far; synchronise first on a GPU."""
        return self._seconds + sum(start.elapsed_time(end) / 1000 for start, end in self._events)


@dataclass
class Meter:
    """Counts evaluations of a prior, one per row of the batch, forward and backward apart, and their forward time."""

    forward: int = 0
    backward: int = 0
    network: Stopwatch = field(default_factory=Stopwatch)

    @contextmanager
    def evaluation(self, x_t: Tensor) -> Iterator[None]:
        """Count and time one evaluation of the batch."""
        self.forward += len(x_t)
        with self.network.span(x_t.device):
            yield

    def watch_backward(self, *outputs: Tensor | None) -> None:
        """Count a backward pass through this evaluation each time one happens, whichever outputs it starts from."""
        watched = [out for out in outputs if out is not None and out.requires_grad]
        if watched:
            torch.autograd.graph.register_multi_grad_hook(watched, self._count_backward, mode="any")

    def _count_backward(self, grad: Tensor) -> None:
        self.backward += len(grad)


def peak_bytes(device: torch.device) -> int:
    """Peak memory: allocated on a GPU; on a CPU the largest resident size of this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
