"""Normal draws that are prepared in advance, so that a GPU does not wait for random numbers of the CPU."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Shape = tuple[int, ...]
AHEAD = {"cuda"}  # kinds of devices that draws are made ahead for; on a processor the network needs the cores itself
THREADS = 8  # at most
_pools: weakref.WeakValueDictionary[int, ThreadPoolExecutor] = weakref.WeakValueDictionary()  # by process


@dataclass
class _Draw:
    """A batch that threads fill, row by row, from copies of generators whose states were ``before``."""

    z: Tensor
    before: list[bytes]
    copies: list[torch.Generator]
    rows: list[Future[None]]

    def fits(self, shape: Shape, states: list[bytes]) -> bool:
        """Whether generators in these states would draw it now."""
        return tuple(self.z.shape[1:]) == shape and self.before == states

    def into(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Wait for the batch and move the generators past it. Raises whatever a thread raised."""
        for row in self.rows:
            row.result()
        for generator, copy in zip(generators, self.copies, strict=True):
            generator.set_state(copy.get_state())
        return self.z


class Draws:
    """Standard normal batches from generators, one for each row, for devices of the kinds ``AHEAD``.

    After each draw, threads start the next one: in the shape that followed last time, else in the same shape. They draw
    from copies of the generators. The result is used only if the generators are still in the state that was copied and
    the requested shape is the same; otherwise it is discarded. The numbers are therefore bit-identical to drawing on
    request, whatever is drawn in between and however fast the threads are.
    """

    def __init__(self) -> None:
        self._next: _Draw | None = None
        self._last: Shape | None = None
        self._followers: dict[Shape | None, Shape] = {}
        self._pool: ThreadPoolExecutor | None = None  # its threads end with the last of those that share it

    def __deepcopy__(self, memo: object) -> Draws:
        return Draws()

    def __reduce__(self) -> tuple[type[Draws], tuple[()]]:
        return Draws, ()

    def normal(self, generators: Sequence[torch.Generator], shape: Shape, device: torch.device) -> Tensor:
        """Standard normal float32 (B, *shape) on the CPU, pinned where it goes to a GPU."""
        self._pool = self._pool or _shared_pool()
        drawn, self._next = self._next, None
        if drawn is None or not drawn.fits(shape, _states(generators)):
            drawn = _begin(self._pool, generators, shape, device)
        z = drawn.into(generators)
        self._followers[self._last], self._last = shape, shape
        self._next = _begin(self._pool, generators, self._followers.get(shape, shape), device)
        return z


def _begin(
    pool: ThreadPoolExecutor, generators: Sequence[torch.Generator], shape: Shape, device: torch.device
) -> _Draw:
    import torch

    copies = [generator.clone_state() for generator in generators]
    with torch.inference_mode(False):  # whoever asks for it may need gradients
        pinned = device.type == "cuda"
        z = torch.empty((len(copies), *shape), dtype=torch.float32, device="cpu", pin_memory=pinned)
        rows = z.unbind()
    return _Draw(z, _states(generators), copies, [pool.submit(_fill, *pair) for pair in zip(rows, copies, strict=True)])


def _fill(row: Tensor, generator: torch.Generator) -> None:
    row.normal_(generator=generator)  # without the interpreter's lock


def _states(generators: Sequence[torch.Generator]) -> list[bytes]:
    return [generator.get_state().numpy().tobytes() for generator in generators]


def _shared_pool() -> ThreadPoolExecutor:
    """The threads of this process, for as long as some object uses them."""
    pool = _pools.get(os.getpid())
    if pool is None:
        threads = max(1, min(THREADS, (os.cpu_count() or 1) // 2))
        pool = _pools[os.getpid()] = ThreadPoolExecutor(threads, thread_name_prefix="invbench-draws")
    return pool
