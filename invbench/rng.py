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
    """A batch of generators, one per row of the tensors it draws.

    Draws are made on the CPU, so that they are the same on every device; those for a GPU by threads, and ahead of the
    next call where that can be foreseen, which changes none of their numbers (:mod:`invbench.draws`).
    """

    generators: tuple[torch.Generator, ...]
    _draws: Draws = field(default_factory=Draws, init=False, compare=False, repr=False)

    @classmethod
    def for_images(cls, images: Sequence[str], **axes: str | int) -> Rng:
        """One generator for each image id, keyed by the id and the other axes."""
        return cls(tuple(_generator(seed_of(image=image, **axes)) for image in images))

    @classmethod
    def single(cls, **axes: str | int) -> Rng:
        """One generator, for draws that all images share (masks, kernels, permutations)."""
        return cls((_generator(seed_of(**axes)),))

    def randn_like(self, x: Tensor) -> Tensor:
        """Standard normal (B, ...) in the shape, dtype and on the device of ``x``; B generators.

        Where ``x`` is complex, its real and its imaginary part are, each.
        """
        import torch

        if len(x) != len(self.generators):
            raise ValueError(f"rng has {len(self.generators)} generators; x has {len(x)} rows")
        shape = (*x.shape[1:], 2) if x.is_complex() else tuple(x.shape[1:])
        ahead = x.device.type in draws.AHEAD
        z = self._draws.normal(self.generators, shape, x.device) if ahead else self.randn(shape)
        z = torch.view_as_complex(z) if x.is_complex() else z
        return z.to(x.device, non_blocking=True).to(x.dtype)

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal float32 (B, *shape)."""
        out = self._empty(shape)
        for row, g in zip(out, self.generators, strict=True):
            row.normal_(generator=g)
        return out

    def rand(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform float32 on [0, 1), (B, *shape)."""
        out = self._empty(shape)
        for row, g in zip(out, self.generators, strict=True):
            row.uniform_(generator=g)
        return out

    def integers(self, high: int, shape: tuple[int, ...]) -> Tensor:
        """Uniform int64 in 0..high-1, (B, *shape)."""
        import torch

        return torch.stack([torch.randint(high, shape, generator=g) for g in self.generators])

    def permutation(self, n: int) -> Tensor:
        """Random permutations of 0..n-1, int64 (B, n)."""
        import torch

        return torch.stack([torch.randperm(n, generator=g) for g in self.generators])

    def poisson(self, rate: Tensor) -> Tensor:
        """Poisson counts of mean ``rate`` (B, ...), drawn on the CPU."""
        import torch

        rows = zip(rate.cpu(), self.generators, strict=True)
        return torch.stack([torch.poisson(row, generator=g) for row, g in rows]).to(rate.device)

    def _empty(self, shape: tuple[int, ...]) -> Tensor:
        import torch

        return torch.empty((len(self.generators), *shape))


def seeded(make: Callable[[], Module], seed: int = 0) -> Module:
    """What ``make`` returns, its weights drawn by name: normal of variance 1 / (3 fan-in), biases 0.

    What is zero or a norm stays, and so does torch's own generator.
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


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)
