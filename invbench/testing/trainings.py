"""One training step of a solver or a prior, also on another device, on draws of the tiny mixture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import torch
from torch import Tensor

from invbench.dataset import Dataset
from invbench.errors import ConfigError
from invbench.linops import BlockMean
from invbench.operator import Operator, Shape
from invbench.problem import Measurement
from invbench.rng import Rng
from invbench.task import Task
from invbench.testing.problems import BENCHMARK, TASK, tiny_mixture
from invbench.training import Training


@dataclass(frozen=True)
class Blocks(Task):
    """Means of 4 x 4 blocks."""

    name: ClassVar[str] = TASK

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        return BlockMean(x_shape, 4)


@dataclass(frozen=True)
class Draws(Dataset):
    """Two draws of the tiny mixture."""

    name: ClassVar[str] = "conformance"
    shape: Shape

    @property
    def x_shape(self) -> Shape:
        return self.shape

    def ids(self) -> Sequence[str]:
        return ["a", "b"]

    def load(self, image_id: str) -> Tensor:
        return tiny_mixture(self.shape).sample(Rng.single(image=image_id))[0].float().reshape(self.shape)


@contextmanager
def one_step(
    fit: Callable[[Training], Path], options: type[Any], shape: Shape, device: torch.device, parts: Mapping[str, Any]
) -> Iterator[Path]:
    """Train for one step and yield the file of weights, which exists in the body.

    ``parts`` are the plugins in its metadata. If ``options`` have no number of steps, only the last step is run, which
    writes no file.
    """
    try:
        chosen, last = dataclasses.replace(options(), steps=1), 0
    except (TypeError, ConfigError):
        chosen, last = options(), 1
    images = Draws(shape)
    measured = _measured(images, parts["task"]) if "task" in parts else None
    named = {key: {"name": each.name, **dataclasses.asdict(each)} for key, each in parts.items()}
    with TemporaryDirectory() as folder:
        config = {"benchmark": BENCHMARK, **named}
        training = Training(Path(folder), config, chosen, images, measured, device=device, last=last)
        yield fit(training)


def _measured(images: Dataset, task: Task) -> Measurement:
    """Measurements for validation, as for a preset with a tuning split."""
    ids = images.ids()
    x, A = (
        torch.stack([images.load(each) for each in ids]),
        task.operator(images.x_shape, Rng.single(purpose="operator")),
    )
    y, std = task.noise_model.sample(A(x), Rng.for_images(ids, purpose="noise"))
    return Measurement(tuple(ids), x, y, std, ("",) * len(ids), A)
