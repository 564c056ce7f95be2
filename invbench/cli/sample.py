"""``invbench sample``: images drawn from a prior, for inspection, or as training data in place of photographs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import click
import torch

from invbench.cli.combinations import combinations, each_of, status_of
from invbench.dataset import Dataset
from invbench.device import arithmetic, choose_device, refuse_precision
from invbench.errors import ConfigError, StoreError, unknown
from invbench.harness.nodes import typed
from invbench.harness.overrides import split
from invbench.harness.places import folder as place
from invbench.image_files import to_image
from invbench.images import ImageFolder
from invbench.operator import Shape
from invbench.plugins import Catalog
from invbench.prior import PriorSource, picture_channels
from invbench.rng import Rng
from invbench.sampling import draw
from invbench.schedule import stride_grid

EXAMPLE = "invbench sample prior=adm_photos n=16"


@dataclass(frozen=True)
class SampleConfig:
    """Options of ``invbench sample`` besides the prior's own."""

    name: ClassVar[str] = "sample"
    n: int = 64
    side: int = 64
    nfe: int = 100
    seed: int = 0
    batch_size: int = 16
    device: str = "auto"
    out: str = "results/samples"

    def __post_init__(self) -> None:
        for key, least in {"n": 1, "side": 1, "batch_size": 1, "seed": 0}.items():
            if getattr(self, key) < least:
                raise ConfigError(f"{key} must be at least {least}; got {getattr(self, key)}")
        stride_grid(self.nfe)


@dataclass(frozen=True)
class Samples(Dataset):
    """The first ``n`` images that were drawn from a prior into ``root``."""

    name: ClassVar[str] = "samples"
    places: ClassVar[tuple[str, ...]] = ("root",)
    root: str
    n: int
    side: int

    @property
    def x_shape(self) -> Shape:
        return (3, self.side, self.side)

    def ids(self) -> Sequence[str]:
        return [f"{each}.png" for each in sample_ids(self.n)]

    def load(self, image_id: str) -> torch.Tensor:
        return ImageFolder(Path(self.root), self.side).load(image_id)


def sample_all(overrides: Sequence[str], catalog: Catalog) -> int:
    """Draw images for each combination of values, and print their folders; returns the exit status.

    Raises ConfigError for what is wrong with the options of any before the first is drawn.
    """
    words = combinations(overrides, EXAMPLE, {"prior": catalog.plugins["prior"]})
    for each in words:
        name, fields, own = parse(each)
        typed(SampleConfig, own, "sample")
        typed(catalog.get("prior", name), fields, "prior")

    def draw_one(i: int) -> int:
        click.echo(sample(words[i], catalog))
        return 0

    return status_of(each_of(words, draw_one))


def sample(overrides: Sequence[str], catalog: Catalog) -> Path:
    """The requested samples; returns their folder."""
    name, fields, own = parse(overrides)
    options = typed(SampleConfig, own, "sample")
    return drawn(typed(catalog.get("prior", name), fields, "prior"), options)


def folder_of(source: PriorSource, options: SampleConfig) -> Path:
    """The folder of samples, named by the prior's hash, calls, seed, side if not 64 and precision if not float32."""
    side = f"-side{options.side}" if options.side != SampleConfig.side else ""
    precision = f"-{source.precision}" if source.precision != "float32" else ""
    name = f"{source.name}-{source.fingerprint()[:8]}-nfe{options.nfe}-seed{options.seed}{side}{precision}"
    return place(options.out) / name


def sample_ids(n: int) -> list[str]:
    """Ids of the first n samples."""
    return [f"{i:06d}" for i in range(n)]


def missing_of(folder: Path, n: int) -> list[str]:
    """Ids of those of the first n samples that do not exist yet."""
    return [each for each in sample_ids(n) if not (folder / f"{each}.png").is_file()]


def drawn(source: PriorSource, options: SampleConfig) -> Path:
    """Write missing samples as PNG; returns their folder.

    Raises StoreError if the folder cannot be written.
    """
    folder = folder_of(source, options)
    if not (missing := missing_of(folder, options.n)):
        return folder
    device = choose_device(options.device)
    refuse_precision(source.precision, device)
    prior = source.load((picture_channels(source), options.side, options.side), device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}; choose another out=FOLDER") from None
    for start in range(0, len(missing), options.batch_size):
        chunk = missing[start : start + options.batch_size]
        with torch.inference_mode(), arithmetic(source.precision):
            images = draw(prior, Rng.for_images(chunk, purpose="sample", seed=options.seed), options.nfe, device)
        for each, x in zip(chunk, images, strict=True):
            part = folder / f"{each}.part"
            try:
                to_image(x).save(part, format="PNG")
                part.replace(folder / f"{each}.png")
            except OSError as error:
                raise StoreError(
                    f"cannot write {folder / each}.png: {error.strerror or error}; free space, or choose another "
                    "out=FOLDER, then run the same command to resume"
                ) from None
        click.echo(f"{start + len(chunk)}/{len(missing)} samples", err=True)
    return folder


def parse(overrides: Sequence[str]) -> tuple[str, dict[str, str], dict[str, str]]:
    """The prior's name, its fields, and the other options."""
    name, fields, own = "", {}, {}
    for key, value in split(overrides, EXAMPLE):
        if key == "prior":
            name = value
        elif key.startswith("prior."):
            fields[key.removeprefix("prior.")] = value
        else:
            own[key] = value
    known = [f.name for f in dataclasses.fields(SampleConfig)]
    if bad := [key for key in own if key not in known]:
        raise ConfigError(unknown("option", bad[0], [*known, "prior"]))
    if not name:
        raise ConfigError(f"expected prior=NAME; for example: {EXAMPLE}")
    return name, fields, own
