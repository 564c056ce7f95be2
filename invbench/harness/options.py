"""The options of ``invbench run``, and their registration with Hydra."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from invbench.errors import PluginError
from invbench.harness.nodes import node_of
from invbench.plugins import Catalog

GROUPS = ("solver", "task", "dataset", "prior")
HYDRAS = ("defaults", "hydra")  # fields of RunConfig that belong to Hydra
HYDRA = {
    "run": {"dir": "."},
    "sweep": {"dir": ".", "subdir": "."},
    "output_subdir": None,
    "job": {"name": "invbench"},
}


@dataclass
class RunConfig:
    """Options of ``invbench run`` besides the plugins' own."""

    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"benchmark": "photos"},
            {"dataset": "${benchmark}"},
            {"prior": "${benchmark}"},
            {"solver": MISSING},
            {"task": MISSING},
            {"override hydra/job_logging": "disabled"},
            {"override hydra/hydra_logging": "disabled"},
        ]
    )
    benchmark: Any = MISSING
    solver: Any = MISSING
    task: Any = MISSING
    dataset: Any = MISSING
    prior: Any = MISSING
    hydra: Any = field(default_factory=lambda: dict(HYDRA))
    seed: int = 0
    n: int = 0
    samples: int = 1
    settings: str = ""
    assume: str = ""
    batch_size: int = 16
    device: str = "auto"
    compile: str = "auto"
    shard: str = "0/1"
    shards: int = 1
    out: str = "results/runs"
    references: bool = True
    overwrite: bool = False
    timeout: float = 0.0
    isolate: str = "auto"
    track: str = ""


HELP = {
    "seed": "measurement and sampling seed",
    "n": "number of images; 0 is the preset's own",
    "samples": "reconstructions drawn per measurement; their mean is scored too",
    "settings": "a named set of tuned solver options, such as lpips_alex or psnr, the metric they were tuned for",
    "assume": "noise level for solvers that need one if the noise hides its own: '0.05 [-1,1]', or effective",
    "batch_size": "images solved at once; does not change results (except last bits in batches of one)",
    "device": "auto, cpu, cuda, cuda:1",
    "compile": "compile the network: true, false, or auto: on a GPU if many calls are planned",
    "shard": "i/k: run only the i-th of k parts of the images, with one command for each part",
    "shards": "number of parts of the images, each run by a process or a launcher's worker, then joined",
    "out": "results folder",
    "references": "also run the preset's zero-cost solvers",
    "overwrite": "run complete cells again",
    "timeout": "time limit of a cell in seconds, which then runs in its own process; 0: none",
    "isolate": "run each cell in its own process: true, false, or auto: if it uses third-party plugins",
    "track": "trackers that follow the cells, such as wandb or wandb,mlflow; does not change results",
}


def register(catalog: Catalog) -> None:
    """Register every plugin's dataclass in Hydra's store."""
    store = ConfigStore.instance()
    store.store(name="run", node=RunConfig)
    for kind in GROUPS:
        for name, plugin in catalog.plugins[kind].items():
            with suppress(PluginError):  # check_overrides raises it if the plugin is requested
                store.store(group=kind, name=name, node=node_of(plugin.cls))
    for name, benchmark in catalog.benchmarks.items():
        store.store(group="benchmark", name=name, node={"name": name})
        with suppress(PluginError):
            store.store(group="prior", name=name, node=node_of(catalog.get("prior", benchmark.prior)))
