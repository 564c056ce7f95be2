"""DAVI and its modules, priors and weights of it, for its tests."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog

CATALOG = load_catalog()
Davi = CATALOG.get("solver", "davi")
adversary, bridge, losses, learning = (
    importlib.import_module(f"invbench_solvers.davi.{n}") for n in ("adversary", "bridge", "losses", "training")
)
SHAPE = (3, 8, 8)


def draw(*shape: int, **axes: str) -> Tensor:
    return ib.Rng.single(**{"use": "x", **axes}).randn(shape)[0]


def plane_prior() -> ib.Prior:
    return CATALOG.get("prior", "gmm2d")().load((1, 1, 2), "cpu")


def official(folder: Path, net: torch.nn.Module, nested: bool) -> Path:
    """A file of the layout of the authors' release, its weights one tenth of the network's online ones."""
    online = net.state_dict()
    average = {f"ema_model.{k}": v / 10 for k, v in online.items()}
    state = {**{f"online_model.{k}": v for k, v in online.items()}, **average}
    state |= {"initted": torch.tensor(True), "step": torch.tensor(9)}
    path = folder / "sr_averagepooling_ema.pt"
    training_file = {
        "step": 9,
        "implicit_func": online,
        "implicit_func_ema": state,
        "opt_s": {"state": {}},
        "scaler": {},
    }
    torch.save(training_file if nested else state, path)
    return path


def ours(folder: Path, net: torch.nn.Module, **changed: Any) -> Path:
    card = {
        "benchmark": "photos",
        "task": {"name": "sr4"},
        "solver": {"name": "davi", "bridge": "i2sb", "output": "tanh", "perturbation": "rising"},
        **changed,
    }
    path = folder / "weights.safetensors"
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, path, {"card": json.dumps(card)})
    return path
