"""Images of a training: decoded once, stored as bytes, and cut into batches on the training's device.

They are stored on the training's device if they fit into a quarter of its memory, else in a quarter of the host's, and
are decoded on first use. If they fit into neither, every batch is decoded again. Batches that are not cut on the device
itself are prepared in advance, in another thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from invbench.dataset import Dataset, Windows
from invbench.errors import ConfigError
from invbench.rng import Rng

SHARE = 4  # one part in so many of a memory is for images
AHEAD = 2  # batches that are made before they are asked for


class Batch(NamedTuple):
    """A batch: ``size`` images for a step, each cut to a square of ``crop`` pixels; 0 takes the whole image."""

    step: int
    size: int
    crop: int = 0


def memory_share(device: torch.device) -> int:
    """Bytes of a device's memory, or the host's, that images may take."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory) // SHARE
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // SHARE


def whole_images(images: Dataset) -> Windows:
    """Images that are not cut from larger ones: each is one whole image."""
    ids, (_, H, W) = images.ids(), images.x_shape

    def pixels(index: int) -> Any:
        x = images.load(ids[index])
        data = ((x + 1) * 127.5).round().clamp(0, 255).byte()
        return (data if torch.equal(_unit(data), x) else x).permute(1, 2, 0).numpy()

    def places(chosen: Tensor) -> Tensor:
        zero = torch.zeros_like(chosen)
        return torch.stack([chosen, zero, zero, zero])

    return Windows(np.broadcast_to((H, W), (len(ids), 2)), pixels, places)


def _unit(data: Tensor) -> Tensor:
    """Bytes on [-1, 1]."""
    return data.float().div(127.5).sub(1)


class Pixels:
    """Images of any sizes, (H, W, C), stored one after the other: bytes, or float32 if one is not of bytes.

    Stored bytes become float32 with the first image that is not of bytes, in four times the memory.
    """

    def __init__(self, sizes: Any, channels: int, device: torch.device, dtype: torch.dtype = torch.uint8) -> None:
        self.widths = torch.from_numpy(np.array(sizes[:, 1], dtype=np.int64))
        areas = torch.from_numpy(np.array(sizes, dtype=np.int64).prod(1))
        self.starts = areas.cumsum(0) - areas
        self.data = torch.empty(int(areas.sum()), channels, dtype=dtype, device=device)
        self.there = np.zeros(len(sizes), dtype=bool)

    def put(self, index: int, image: Any) -> None:
        """Store image ``index``."""
        rows = torch.from_numpy(np.array(image)).flatten(0, 1)
        if rows.dtype != torch.uint8 and self.data.dtype == torch.uint8:
            self.data = _unit(self.data)
        rows = _unit(rows) if rows.dtype == torch.uint8 != self.data.dtype else rows
        start = int(self.starts[index])
        self.data[start : start + len(rows)] = rows.to(self.data.device)
        self.there[index] = True

    def cut(self, places: Tensor, size: tuple[int, int]) -> Tensor:
        """Squares of ``size``, (B, C, h, w) in [-1, 1]: ``places`` (4, B) are image, top, left and whether mirrored."""
        index, top, left, mirrored = places
        first = self.starts[index] + top * self.widths[index] + left + mirrored * (size[1] - 1)
        table = torch.stack([first, self.widths[index], 1 - 2 * mirrored])
        first, down, right = _moved(table, self.data.device)[:, :, None, None]
        rows, columns = (torch.arange(side, device=self.data.device) for side in size)
        where = first + down * rows[:, None] + right * columns
        out = self.data.index_select(0, where.flatten()).view(*where.shape, -1).permute(0, 3, 1, 2)
        return (_unit(out) if out.dtype == torch.uint8 else out).contiguous()


def _moved(x: Tensor, device: torch.device) -> Tensor:
    """``x`` on a device, without waiting for the device's pending work."""
    waiting = device.type == "cuda" and x.device.type == "cpu"
    return x.pin_memory().to(device, non_blocking=True) if waiting else x.to(device)


@dataclass
class Feed:
    """Batches of a training, each drawn for its step; with several ``processes``, the share of process ``rank``."""

    images: Dataset
    device: torch.device
    seed: int = 0
    rank: int = 0
    processes: int = 1
    room: Callable[[torch.device], int] = memory_share
    pending: dict[Batch, Future[Tensor]] = field(default_factory=dict)

    def batch(self, batch: Batch) -> Tensor:
        """(B / processes, C, h, w) in [-1, 1] on the device. Raises ConfigError for images smaller than ``crop``."""
        _, H, W = self.images.x_shape
        if batch.crop > min(H, W):
            raise ConfigError(
                f"the training images are {H}x{W}, smaller than the crop of {batch.crop}; lower training.crop"
            )
        if self.kept is not None and self.kept.data.device.type == self.device.type:
            return self.cut(batch)
        nexts = [batch._replace(step=batch.step + i) for i in range(AHEAD + 1)]
        stale = [self.pending.pop(key) for key in list(self.pending) if key not in nexts]
        for future in stale:
            future.cancel()
        for key in nexts:
            if key not in self.pending:
                self.pending[key] = self._thread.submit(self.cut, key)
        return self.pending.pop(batch).result()

    def cut(self, batch: Batch) -> Tensor:
        """Decode what is not stored, and cut."""
        places, size = self.draw(batch)
        needed = np.unique(places[0].numpy())
        pixels = self.kept
        if pixels is None:
            pixels = Pixels(np.asarray(self.windows.sizes)[needed], self.images.x_shape[0], torch.device("cpu"))
            places[0], names = torch.from_numpy(np.searchsorted(needed, places[0].numpy())), range(len(needed))
        else:
            names = needed = needed[~pixels.there[needed]]
        for name, image in zip(names, self._readers.map(self.windows.pixels, needed.tolist()), strict=True):
            pixels.put(name, image)
        return _moved(pixels.cut(places, size), self.device)

    def draw(self, batch: Batch) -> tuple[Tensor, tuple[int, int]]:
        """Places of this process's images, (4, B), and the size of the cuts."""
        _, H, W = self.images.x_shape
        h, w = (batch.crop, batch.crop) if batch.crop else (H, W)
        rng = Rng.single(purpose="training images", seed=self.seed, step=batch.step)
        chosen, down, right = (rng.integers(n, (batch.size,))[0] for n in (self.count, H - h + 1, W - w + 1))
        mine = slice(self.rank, None, self.processes)
        index, top, left, mirrored = self.windows.places(chosen[mine])
        right = torch.where(mirrored > 0, W - w - right[mine], right[mine])
        return torch.stack([index, top + down[mine], left + right, mirrored]), (h, w)

    @cached_property
    def count(self) -> int:
        """How many images there are to draw from."""
        return len(self.images.ids())

    @cached_property
    def windows(self) -> Windows:
        """Where the images are. Raises ConfigError if there are none."""
        windows = self.images.windows() or whole_images(self.images)
        if not len(windows.sizes):
            raise ConfigError(f"dataset {self.images.name} has no images to train on; expected at least one")
        return windows

    @cached_property
    def kept(self) -> Pixels | None:
        """The decoded images, as what the first one is of; None if they are too many to store."""
        sizes, channels = np.asarray(self.windows.sizes), self.images.x_shape[0]
        first = np.asarray(self.windows.pixels(0))
        dtype = torch.uint8 if first.dtype == np.uint8 else torch.float32
        need = int(sizes.prod(1, dtype=np.int64).sum()) * channels * dtype.itemsize
        for device in dict.fromkeys((self.device, torch.device("cpu"))):
            if need <= self.room(device) // (self.processes if device.type == "cpu" else 1):
                kept = Pixels(sizes, channels, device, dtype)
                kept.put(0, first)
                return kept
        return None

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "batches")

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(min(16, os.cpu_count() or 1), "images")
