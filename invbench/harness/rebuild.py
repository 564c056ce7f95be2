"""From a recorded configuration back to its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import msgspec

from invbench.errors import StoreError
from invbench.guard import described
from invbench.harness.nodes import make
from invbench.problem import Measurement
from invbench.store.schema import Run

if TYPE_CHECKING:
    from invbench.dataset import Dataset
    from invbench.harness.bank import MeasurementBank
    from invbench.harness.cell import Cell
    from invbench.plugins import Catalog
    from invbench.prior import Prior, PriorSource
    from invbench.problem import Posterior
    from invbench.solver import Solver
    from invbench.store.reader import LoadedCell
    from invbench.task import Task


def rebuild_bank(run: Run, catalog: Catalog) -> MeasurementBank:
    """The measurement bank of a recorded cell. Raises ConfigError if a plugin no longer has its options."""
    from invbench.harness.bank import MeasurementBank

    benchmark = catalog.benchmark(run.config.benchmark.name)
    dataset, task = (rebuild("dataset", run, catalog), rebuild("task", run, catalog))
    return MeasurementBank.open(benchmark, dataset, task, run.config.seed)


def rebuild_posterior(run: Run, catalog: Catalog, bank: MeasurementBank) -> Posterior | None:
    """The exact posterior of a recorded cell, if it is known, at the noise's own level rather than an assumed one."""
    with described(f"prior {run.config.prior.name}"):
        prior: Prior = rebuild("prior", run, catalog).load(bank.dataset.x_shape, "cpu")
        return prior.posterior(bank.problem())


class Remeasure:
    """Measures a recorded cell's images again, with the exact posterior if there are several samples to score.

    ``held`` are the images that the dataset still has.
    """

    def __init__(self, run: Run, catalog: Catalog) -> None:
        self.bank = rebuild_bank(run, catalog)
        self.held = set(self.bank.ids())
        self._run, self._catalog = run, catalog

    @cached_property
    def _exact(self) -> Posterior | None:
        """The exact posterior; built on demand, since it takes a second."""
        several = self._run.config.samples > 1
        return rebuild_posterior(self._run, self._catalog, self.bank) if several else None

    def __call__(self, images: Sequence[str]) -> Measurement:
        """Measure some images. Raises StoreError for an image that the dataset no longer has."""
        return replace(self.without_posterior(images), posterior=self._exact)

    def without_posterior(self, images: Sequence[str]) -> Measurement:
        """The same without the exact posterior, which set metrics do not need. Raises StoreError as a call does."""
        for image in images:
            if image not in self.held:
                raise StoreError(f"dataset {self.bank.dataset.name} holds no image {image!r}, which was recorded")
        return self.bank.measure(images)


def located(cell: LoadedCell, others: Sequence[LoadedCell]) -> Run:
    """A cell's run.json; if its folder of images is gone, with that of another cell on the same images."""
    for each in (cell, *others):
        places = each.run.places
        files = places.keys() - each.run.named.keys()
        if all(Path(places[key]).expanduser().exists() for key in files):
            return msgspec.structs.replace(cell.run, places=places) if places else cell.run
    return cell.run


def rebuild_cell(run: Run, catalog: Catalog) -> Cell:
    """The cell of a run.json, with the weights that are found now."""
    from invbench.harness.cell import Cell

    config = run.config
    return Cell(
        benchmark=catalog.benchmark(config.benchmark.name),
        task=rebuild("task", run, catalog),
        dataset=rebuild("dataset", run, catalog),
        source=rebuild("prior", run, catalog),
        solver=rebuild("solver", run, catalog),
        seed=config.seed,
        samples=config.samples,
        assumed=config.assumed,
        plugins=tuple(sorted(config.plugins.items())),
    )


@overload
def rebuild(kind: Literal["task"], run: Run, catalog: Catalog) -> Task: ...
@overload
def rebuild(kind: Literal["dataset"], run: Run, catalog: Catalog) -> Dataset: ...
@overload
def rebuild(kind: Literal["prior"], run: Run, catalog: Catalog) -> PriorSource: ...
@overload
def rebuild(kind: Literal["solver"], run: Run, catalog: Catalog) -> Solver: ...
def rebuild(kind: str, run: Run, catalog: Catalog) -> object:
    """The task, dataset, prior or solver of a recorded cell, with files at their recorded paths."""
    part = dict(run.config.parts())[kind]
    places = {k.removeprefix(f"{kind}."): v for k, v in run.places.items() if k.startswith(f"{kind}.")}
    return make(catalog.get(kind, part.name), {**part.options, **places}, kind)
