"""The options of ``invbench run``, and what Hydra is given of them."""

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
HYDRAS = ("defaults", "hydra")  # of the fields of RunConfig, those that are Hydra's
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
    "samples": "reconstructions drawn per measurement; their mean is scored besides",
    "settings": "a set of the solver's options by name, as lpips_alex or psnr, for which they were tuned",
    "assume": "a noise level for solvers that need one where the noise hides its own: '0.05 [-1,1]', or effective",
    "batch_size": "images solved at once; changes no result (of batches of one, the last bits)",
    "device": "auto, cpu, cuda, cuda:1",
    "compile": "compile the network: true, false, or auto, on a GPU where many calls are planned",
    "shard": "i/k: the i-th of k parts of the images, where each has a command of its own",
    "shards": "parts of the images, a process or a launcher's worker each, which are joined again",
    "out": "results folder",
    "references": "also run the preset's zero-cost solvers",
    "overwrite": "run a cell again that is complete",
    "timeout": "seconds that a cell may take, in a process of its own; 0 is any",
    "isolate": "a process for each cell: true, false, or auto, where plugins of others are in it",
    "track": "trackers that follow the cells, as wandb or wandb,mlflow; changes no result",
}


def register(catalog: Catalog) -> None:
    """Put every plugin's dataclass into Hydra's store."""
    store = ConfigStore.instance()
    store.store(name="run", node=RunConfig)
    for kind in GROUPS:
        for name, plugin in catalog.plugins[kind].items():
            with suppress(PluginError):  # raised by check_overrides where the plugin is asked for
                store.store(group=kind, name=name, node=node_of(plugin.cls))
    for name, benchmark in catalog.benchmarks.items():
        store.store(group="benchmark", name=name, node={"name": name})
        with suppress(PluginError):
            store.store(group="prior", name=name, node=node_of(catalog.get("prior", benchmark.prior)))
