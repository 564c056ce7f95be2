"""From a recorded configuration back to what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invbench.config import make
from invbench.errors import StoreError
from invbench.metric import Measurement

if TYPE_CHECKING:
    from invbench.bank import MeasurementBank
    from invbench.posterior import ExactPosterior


def rebuild_bank(config: Mapping[str, Any], catalog: Any) -> MeasurementBank:
    """The measurement bank of a recorded cell. Raises ConfigError where a plugin no longer has its options."""
    from invbench.bank import MeasurementBank

    benchmark = catalog.benchmark(config["benchmark"]["name"])
    dataset, task = (rebuild("dataset", config, catalog), rebuild("task", config, catalog))
    return MeasurementBank.open(benchmark, dataset, task, config["seed"])


def rebuild_posterior(config: Mapping[str, Any], catalog: Any, bank: MeasurementBank) -> ExactPosterior | None:
    """The exact posterior of a recorded cell, where it is known."""
    from invbench.posterior import ExactPosterior

    prior = rebuild("prior", config, catalog).load(bank.dataset.x_shape, "cpu")
    return ExactPosterior.of(bank.problem(), prior)


def measuring(config: Mapping[str, Any], catalog: Any) -> Callable[[Sequence[str]], Measurement]:
    """What measures a recorded cell's images, with the exact posterior where several samples are scored by it."""
    bank = rebuild_bank(config, catalog)
    exact = rebuild_posterior(config, catalog, bank) if config["samples"] > 1 else None

    def measure(images: Sequence[str]) -> Measurement:
        try:
            return replace(bank.measure(images), posterior=exact)
        except KeyError as error:
            raise StoreError(
                f"dataset {config['dataset']['name']} holds no image {error}, which was recorded"
            ) from None

    return measure


def rebuild_cell(run: Mapping[str, Any], catalog: Any) -> Any:
    """The cell of a run.json, with the weights that are found today."""
    from invbench.runner import Cell

    config = run["config"]
    return Cell(
        benchmark=catalog.benchmark(config["benchmark"]["name"]),
        task=rebuild("task", config, catalog),
        dataset=rebuild("dataset", config, catalog),
        source=rebuild("prior", config, catalog),
        solver=rebuild("solver", config, catalog),
        seed=config["seed"],
        samples=config["samples"],
        assumed=config.get("assumed", ""),
        plugins=tuple(sorted(config["plugins"].items())),
    )


def rebuild(kind: str, config: Mapping[str, Any], catalog: Any) -> Any:
    """The task, dataset, prior or solver of a recorded cell."""
    fields = {k: v for k, v in config[kind].items() if k not in ("name", "sha256")}
    return make(catalog.get(kind, config[kind]["name"]), fields, kind)
