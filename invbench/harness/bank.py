"""The measurement bank: the same y for every solver."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch

from invbench.dataset import Benchmark, Dataset
from invbench.errors import PluginError
from invbench.guard import described
from invbench.operator import Operator
from invbench.problem import Measurement, Problem
from invbench.rng import Rng
from invbench.store.fingerprint import Measured, fingerprint
from invbench.task import Task


@dataclass(frozen=True)
class MeasurementBank:
    """Measurements keyed by benchmark version, dataset, task, image and seed, and by nothing else.

    Each is computed alone, on the CPU, in float32, so that batch size, order, shard, device and solver cannot
    change a bit of it. Another processor may change the last bits, which :mod:`invbench.store.fingerprint` allows for.
    """

    benchmark: Benchmark
    dataset: Dataset
    task: Task
    A: Operator
    seed: int

    @classmethod
    def open(cls, benchmark: Benchmark, dataset: Dataset, task: Task, seed: int) -> MeasurementBank:
        """Build the operator. Raises ConfigError if task and image size, or noise and measurements do not fit."""
        axes: dict[str, str | int] = {
            "benchmark": benchmark.name,
            "version": benchmark.version,
            "task": task.name,
            "seed": seed,
        }
        with described(f"task {task.name} on dataset {dataset.name}"):
            A = task.operator(dataset.x_shape, Rng.single(purpose="operator", **axes))
        task.noise_model.refuse(A, task.name)
        return cls(benchmark, dataset, task, A, seed)

    def measure(self, images: Sequence[str]) -> Measurement:
        """Load and measure some images."""
        with described(f"dataset {self.dataset.name}, measured by task {self.task.name}"):
            rows = [self._one(image) for image in images]
        x, y, std = (torch.cat([row[i] for row in rows]) for i in range(3))
        digests = tuple(hashlib.sha256(row[1].numpy().tobytes()).hexdigest() for row in rows)
        return Measurement(tuple(images), x, y, std, digests, self.A)

    def ids(self) -> list[str]:
        """The ids of the dataset's images. Raises PluginError if it gives anything but different names."""
        return image_ids(self.dataset)

    def problem(self, device: torch.device | str = "cpu") -> Problem:
        """The problem: what a solver may know about the measurements."""
        task = self.task
        options = {key: value for key, value in asdict(task).items() if key != "noise"}
        return Problem(
            self.A.to(device), task.noise_model.sigma_y, task.name, self.dataset.name, self.benchmark.name, options
        )

    def rng(self, images: Sequence[str], solver: str, sample: int) -> Rng:
        """The solver's generators: keyed like the measurement's, and by solver and sample."""
        return self.rng_of_samples(images, solver, [sample])

    def rng_of_samples(self, images: Sequence[str], solver: str, samples: Iterable[int]) -> Rng:
        """The generators of several samples of all images, those of the first sample first."""
        each = (Rng.for_images(images, purpose="solver", solver=solver, sample=k, **self._axes) for k in samples)
        return Rng(tuple(generator for rng in each for generator in rng.generators))

    @property
    def _axes(self) -> dict[str, str | int]:
        return {
            "benchmark": self.benchmark.name,
            "version": self.benchmark.version,
            "dataset": self.dataset.name,
            "task": self.task.name,
            "seed": self.seed,
        }

    def _one(self, image: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.dataset.load(image)[None]
        rng = Rng.for_images([image], purpose="noise", **self._axes)
        y, std = self.task.noise_model.sample(self.A(x), rng)
        return x, y.contiguous(), std


def recorded(measured: Measurement) -> list[Measured]:
    """The record of each measurement, by which another machine can recognise it."""
    rows = zip(measured.x.numpy(), measured.y.numpy(), measured.sha256, strict=True)
    return [Measured(digest, fingerprint(x, y)) for x, y, digest in rows]


def image_ids(dataset: Dataset) -> list[str]:
    """The ids of a dataset's images. Raises PluginError if it gives anything but a list of different names."""
    with described(f"dataset {dataset.name} cannot list its images"):
        ids = list(dataset.ids())
    if not all(isinstance(image, str) for image in ids) or len(set(ids)) != len(ids):
        raise PluginError(f"dataset {dataset.name}: expected different names of images; got {ids[:3]!r}, ...")
    return ids
