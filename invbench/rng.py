"""The only place where random generators are made.

One generator per image, keyed by hashing named axes. A draw therefore depends on what it is for, and never on
batch size, order, shard, device or resumption.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from invbench import draws
from invbench.draws import Draws

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Module = TypeVar("Module", bound="nn.Module")


def seed_of(**axes: str | int) -> int:
    """63-bit seed from named axes; the order in which they are written does not matter.

    >>> seed_of(seed=0, image="a") == seed_of(image="a", seed=0) != seed_of(seed=1, image="a")
    True
    """
    text = json.dumps(axes, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Rng:
    """A batch of generators, one per row of the tensors it draws; or one generator for a batch.

    With one generator per row, draws are made on the CPU, so that they are the same on every device. Draws for a GPU
    are prepared in advance by threads, which does not change the numbers (:mod:`invbench.draws`).

    A single generator draws all ``batch`` rows at once on its own device. If only some of them are needed, ``rows``,
    the whole batch is drawn all the same, so that a row does not depend on how the batch is divided.
    """

    generators: tuple[torch.Generator, ...]
    batch: int = 0
    rows: slice = field(default_factory=lambda: slice(None))
    _draws: Draws = field(default_factory=Draws, init=False, compare=False, repr=False)

    @classmethod
    def for_images(cls, images: Sequence[str], **axes: str | int) -> Rng:
        """One generator for each image id, keyed by the id and the other axes."""
        return cls(tuple(_generator(seed_of(image=image, **axes)) for image in images))

    @classmethod
    def for_batch(cls, batch: int, device: torch.device | str = "cpu", **axes: str | int) -> Rng:
        """One generator on ``device`` for all rows of a batch that is always drawn together, as a training's is."""
        return cls((_generator(seed_of(**axes), device),), batch)

    @classmethod
    def single(cls, **axes: str | int) -> Rng:
        """One generator, for draws that all images share (masks, kernels, permutations)."""
        return cls((_generator(seed_of(**axes)),))

    def __len__(self) -> int:
        """How many rows are drawn."""
        return len(range(self._drawn)[self.rows])

    def part(self, rows: slice) -> Rng:
        """The generators of some rows, which draw from now on what the whole batch would draw for these rows."""
        if not self.batch:
            return Rng(self.generators[rows])
        (generator,) = self.generators
        copy = _generator(0, generator.device)
        copy.set_state(generator.get_state())
        taken = range(self._drawn)[self.rows][rows]
        return Rng((copy,), self.batch, slice(taken.start, taken.stop, taken.step))

    def randn_like(self, x: Tensor) -> Tensor:
        """Standard normal (B, ...) in the shape, dtype and on the device of ``x``; B generators.

        If ``x`` is complex, so is the draw: its real and imaginary parts are standard normal.
        """
        import torch

        if len(x) != len(self):
            raise ValueError(f"rng has {len(self)} generators; x has {len(x)} rows")
        shape = (*x.shape[1:], 2) if x.is_complex() else tuple(x.shape[1:])
        ahead = x.device.type in draws.AHEAD and not self.batch
        z = self._draws.normal(self.generators, shape, x.device) if ahead else self.randn(shape)
        z = torch.view_as_complex(z) if x.is_complex() else z
        return z.to(x.device, non_blocking=True).to(x.dtype)

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal float32 (B, *shape)."""
        return self._drawn_of(lambda rows, g: rows.normal_(generator=g), self._empty(shape))

    def rand(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform float32 on [0, 1), (B, *shape)."""
        return self._drawn_of(lambda rows, g: rows.uniform_(generator=g), self._empty(shape))

    def integers(self, high: int, shape: tuple[int, ...]) -> Tensor:
        """Uniform int64 in 0..high-1, (B, *shape)."""
        import torch

        return self._drawn_of(lambda rows, g: rows.random_(high, generator=g), self._empty(shape, torch.int64))

    def permutation(self, n: int) -> Tensor:
        """Random permutations of 0..n-1, int64 (B, n)."""
        import torch

        each = self.generators * (self.batch or 1)
        return torch.stack([torch.randperm(n, generator=g, device=g.device) for g in each])[self.rows]

    def poisson(self, rate: Tensor) -> Tensor:
        """Poisson counts of mean ``rate`` (B, ...), drawn on the device of the generators."""
        import torch

        rates = rate.to(self.generators[0].device).chunk(len(self.generators))
        rows = [torch.poisson(each, generator=g) for each, g in zip(rates, self.generators, strict=True)]
        return torch.cat(rows).to(rate.device)

    @property
    def _drawn(self) -> int:
        return self.batch or len(self.generators)

    def _drawn_of(self, fill: Callable[[Tensor, torch.Generator], object], out: Tensor) -> Tensor:
        """Fill each generator's rows of the batch; returns the requested rows."""
        for rows, g in zip(out.chunk(len(self.generators)), self.generators, strict=True):
            fill(rows, g)
        return out[self.rows]

    def _empty(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        import torch

        return torch.empty((self._drawn, *shape), dtype=dtype, device=self.generators[0].device)


def seeded(make: Callable[[], Module], seed: int = 0) -> Module:
    """The network that ``make`` returns, with weights drawn by name: normal of variance 1 / (3 fan-in), biases 0.

    Weights that are zero, and those of norms, stay as they are; torch's own generator is not used.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        module = make()
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.ndim > 1 and p.any():
                draw = Rng.single(purpose="weights", parameter=name, seed=seed).randn(tuple(p.shape))[0]
                p.copy_(draw / (3 * p[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                p.zero_()
    return module


def _generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    import torch

    return torch.Generator(device).manual_seed(seed)
