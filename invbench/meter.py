"""What a reconstruction costs: network evaluations, seconds, bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
    """Adds up intervals of device time; on a GPU with events, so that measuring does not stall the stream."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._events: list[tuple[Any, Any]] = []

    @contextmanager
    def span(self, device: torch.device) -> Iterator[None]:
        """Time the body."""
        begin = self.mark(device)
        yield
        self.add(begin, self.mark(device))

    def mark(self, device: torch.device) -> Any:
        """A time stamp of the device."""
        if device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def add(self, begin: Any, end: Any) -> None:
        """Count the span between two marks."""
        if isinstance(begin, float):
            self._seconds += end - begin
        else:
            self._events.append((begin, end))

    @property
    def seconds(self) -> float:
        """Total so far; synchronise first on a GPU."""
        return self._seconds + sum(start.elapsed_time(end) / 1000 for start, end in self._events)


@dataclass
class Meter:
    """Evaluations of a prior, one per row of the batch, forward and backward separately, and where the time went.

    ``network`` and ``pullback`` are the network's forward and backward passes, ``operator`` both of the operator's.
    """

    forward: int = 0
    backward: int = 0
    network: Stopwatch = field(default_factory=Stopwatch)
    pullback: Stopwatch = field(default_factory=Stopwatch)
    operator: Stopwatch = field(default_factory=Stopwatch)

    @contextmanager
    def evaluation(self, x_t: Tensor) -> Iterator[None]:
        """Count and time one evaluation of the batch."""
        self.forward += len(x_t)
        with self.network.span(x_t.device):
            yield

    def watch_backward(self, x_t: Tensor, *outputs: Tensor | None) -> None:
        """Count and time every backward pass through an evaluation, whichever outputs it starts from."""
        watched = [out for out in outputs if out is not None and out.requires_grad]
        if watched:
            torch.autograd.graph.register_multi_grad_hook(watched, self._count_backward, mode="any")
        _time_backward(self.pullback, x_t, watched)

    def timed(self, method: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The same method of an operator, its time counted forward and backward."""

        def call(z: Tensor, *args: Any) -> Tensor:
            with self.operator.span(z.device):
                out = method(z, *args)
            _time_backward(self.operator, z, [out] if out.requires_grad else [])
            return out

        return call

    def _count_backward(self, grad: Tensor) -> None:
        self.backward += len(grad)


def _time_backward(watch: Stopwatch, x: Tensor, outputs: Sequence[Tensor]) -> None:
    """Add the time from the first gradient at the outputs to the gradient at x, whenever both pass."""
    if not (outputs and x.requires_grad):
        return
    start_marks: list[Any] = []

    def end(grad: Tensor) -> None:
        if start_marks:
            watch.add(start_marks.pop(), watch.mark(grad.device))

    torch.autograd.graph.register_multi_grad_hook(
        outputs, lambda grad: start_marks.append(watch.mark(grad.device)), mode="any"
    )
    x.register_hook(end)


def peak_bytes(device: torch.device) -> int:
    """Peak memory: allocated on a GPU; on a CPU the largest resident size of this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
