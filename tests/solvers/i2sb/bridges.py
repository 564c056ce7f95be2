"""I2SB and CDDB, a prior that predicts what it is told to, and files of the authors' layout, for their tests."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import invbench as ib
from invbench.plugins import load_catalog

CATALOG = load_catalog()
I2SB, CDDB, Deep = (CATALOG.get("solver", name) for name in ("i2sb", "cddb", "cddb_deep"))
bridge, training = (importlib.import_module(f"invbench_solvers.i2sb.{n}") for n in ("bridge", "training"))
SHAPE = (3, 4, 4)


class Told(ib.Prior):
    """A network in closed form, which notes the times that it is given."""

    def __init__(self, predict: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.predict, self.x_shape = predict, SHAPE
        self.times: list[float] = []

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        assert isinstance(t, Tensor)
        self.times.append(float(t[0]))
        return self.predict(x_t, t), None


def draw(*shape: int, **axes: str) -> Tensor:
    return ib.Rng.single(**{"use": "x", **axes}).randn(shape)[0]


def solve(solver: ib.Solver, y: Tensor, A: ib.Operator, net: ib.Prior, task: str = "task") -> Tensor:
    rng = ib.Rng.for_images([str(i) for i in range(len(y))], use="solve")
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, ib.Problem(A, 0.05, task, "dataset"), net, net, rng).detach()


def authors(folder: Path, net: nn.Module, fp16: bool) -> Path:
    """A checkpoint of the official training: an online network without variance, and its torch_ema average, a tenth."""
    state = {f"diffusion_model.{key}": value.clone() for key, value in net.state_dict().items()}
    for key in ("out.2.weight", "out.2.bias"):
        state[f"diffusion_model.{key}"] = state[f"diffusion_model.{key}"].chunk(2)[0].clone()
    if fp16:
        state = {k: v.half() if "conv" in k or v.ndim == 4 else v for k, v in state.items()}
    ema: dict[str, Any] = {"decay": 0.99, "num_updates": 7, "shadow_params": [v / 10 for v in state.values()]}
    path = folder / "latest.pt"
    torch.save(
        {"net": state, "ema": {**ema, "collected_params": None}, "optimizer": {"state": {}}, "sched": None}, path
    )
    return path
