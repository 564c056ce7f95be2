"""The images of a training, a dataset or draws from the prior, and the images that validate it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from invbench.cli.sample import SampleConfig, Samples, drawn, folder_of, missing_of
from invbench.cli.train_request import Request, part
from invbench.dataset import Benchmark, Dataset, Windows
from invbench.errors import ConfigError, DataError
from invbench.harness.bank import MeasurementBank, image_ids
from invbench.harness.config import preset_size, refuse_misfit
from invbench.harness.nodes import make
from invbench.linops import Identity
from invbench.operator import Shape
from invbench.plugins import Catalog
from invbench.prior import PriorSource
from invbench.problem import Measurement

VALIDATED = 16  # held-out crops
PART = 8  # one image in this many is held out if there are few


@dataclass(frozen=True)
class WithoutLast(Dataset):
    """A dataset without its last ``held`` images, on which a training is validated."""

    name: ClassVar[str] = "without_last"
    images: Dataset
    held: int

    @property
    def x_shape(self) -> Shape:
        return self.images.x_shape

    def ids(self) -> Sequence[str]:
        ids = self.images.ids()
        return ids[: len(ids) - self.held]

    def load(self, image_id: str) -> Tensor:
        return self.images.load(image_id)

    def windows(self) -> Windows | None:
        return self.images.windows()


def sampled_images(request: Request, catalog: Catalog, benchmark: Benchmark, source: PriorSource) -> Samples | None:
    """Images drawn from the prior, if the request has ``samples``; else None.

    Raises ConfigError if a dataset is named as well, or if an estimate would have to draw images first.
    """
    chosen = request.options
    if not chosen.samples:
        return None
    if "dataset" in request.names or request.fields["dataset"]:
        raise ConfigError(
            "samples=N trains on images drawn from the prior; leave out dataset=, or samples= and recipes that set it"
        )
    side = catalog.get("dataset", benchmark.name)().x_shape[-1]
    out = str(Path(chosen.out).parent / "samples")
    sampling = SampleConfig(chosen.samples, side, chosen.samples_nfe, device=chosen.device, out=out)
    folder = folder_of(source, sampling)
    samples = Samples(str(folder), sampling.n, side)
    refuse_misfit(source, samples)
    if request.dry_run and (missing := missing_of(folder, sampling.n)):
        raise ConfigError(
            f"an estimate draws no images, and {len(missing)} of {sampling.n} are not drawn yet in {folder}; start the "
            f"training without --dry-run, or draw them first with invbench sample prior={source.name} n={sampling.n} "
            f"side={side} nfe={sampling.nfe} out={out}"
        )
    drawn(source, sampling)
    return samples


def training_images(request: Request, catalog: Catalog, benchmark: Benchmark) -> Dataset:
    """The named dataset, or the preset's for training, after checking that it can be read."""
    images = named_images(request, catalog, benchmark)
    refuse_unreadable(images)
    return images


def named_images(request: Request, catalog: Catalog, benchmark: Benchmark) -> Dataset:
    """The named dataset, or the preset's for training. Does not check that its images exist."""
    preset = dict(benchmark.training)
    name = request.names.get("dataset") or preset.get("name")
    if not name:
        raise ConfigError(f"benchmark {benchmark.name} names no images to train on; expected dataset=NAME")
    fields = {k: v for k, v in preset.items() if k != "name"} if name == preset.get("name") else {}
    cls = catalog.get("dataset", name)
    images: Dataset = part(cls, request, "dataset", [preset_size(cls, benchmark, catalog), fields])
    split = getattr(images, "split", "")
    if name == benchmark.name and split in ("test", "tune"):
        raise ConfigError(
            f"dataset {name} holds, of split {split!r}, the images that results are reported or chosen on; "
            "train on others"
        )
    return images


def refuse_unreadable(images: Dataset) -> None:
    """Raise DataError for a dataset without images, or with images that cannot be read."""
    if not len(images.ids()):
        raise DataError(f"dataset {images.name} holds no images to train on")
    images.check(images.ids())


def held_out(benchmark: Benchmark, catalog: Catalog, task: Any, images: Dataset, seed: int) -> Measurement | None:
    """Measured crops of the preset's tuning split, of the training images' shape; None if it has no such split."""
    cls = catalog.get("dataset", benchmark.name)
    if "split" not in [f.name for f in dataclasses.fields(cls)]:
        return None
    dataset = make(cls, {"split": "tune"}, "dataset")
    if dataset.x_shape != images.x_shape:
        ours, theirs = ("x".join(map(str, shape[1:])) for shape in (images.x_shape, dataset.x_shape))
        raise ConfigError(
            f"the training images are {ours}, those of benchmark {benchmark.name} {theirs}; set dataset.side"
        )
    return _measured(benchmark, dataset, task, seed, image_ids(dataset)[:VALIDATED])


def channels_of(benchmark: Benchmark, catalog: Catalog) -> int:
    """The number of channels of the benchmark's images."""
    return int(catalog.get("dataset", benchmark.name)().x_shape[0])


def parted(
    benchmark: Benchmark, catalog: Catalog, task: Any, images: Dataset, seed: int
) -> tuple[Dataset, Measurement | None]:
    """Images to train on, and what to validate on.

    If the channels of the images differ from the benchmark's, which then has none to validate on, the last images are
    held out: an eighth, at most 16, and none of fewer than 8.
    """
    if images.x_shape[0] == channels_of(benchmark, catalog):
        return images, held_out(benchmark, catalog, task, images, seed)
    ids = images.ids()
    held = min(VALIDATED, len(ids) // PART)
    last = list(ids[len(ids) - held :])
    return WithoutLast(images, held), _measured(benchmark, images, task, seed, last) if held else None


def _measured(benchmark: Benchmark, images: Dataset, task: Any, seed: int, ids: Sequence[str]) -> Measurement:
    """Images as a task measures them or, without one, as they are."""
    if task is not None:
        return MeasurementBank.open(benchmark, images, task, seed).measure(ids)
    x = torch.stack([images.load(each) for each in ids])
    return Measurement(tuple(ids), x, x, torch.zeros(len(x), 1, 1, 1), ("",) * len(x), Identity(images.x_shape))


def fingerprint(images: Dataset) -> str:
    """SHA-256 of the ids and pixels of 64 images, spread over the dataset."""
    ids, hasher = images.ids(), hashlib.sha256()
    for i in range(0, len(ids), max(1, len(ids) // 64)):
        hasher.update(ids[i].encode() + images.load(ids[i]).numpy().tobytes())
    return hasher.hexdigest()
