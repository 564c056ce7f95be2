"""A solver that returns what it is given, cells of it, and what is kept of their runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import invbench as ib
from invbench.harness.cell import Cell
from invbench.harness.outcome import Outcome
from invbench.metric import Metric
from invbench.plugins import Catalog, load_catalog
from invbench.store.reader import LoadedCell, load_cells


@dataclass(frozen=True)
class Toy(ib.Solver):
    """Returns the measurement; ``calls`` and ``problems`` tell what the runner asked for."""

    name: ClassVar[str] = "toy"
    calls: ClassVar[list[int]] = []
    problems: ClassVar[list[ib.Problem]] = []

    def solve(
        self, y: Tensor, problem: ib.Problem, prior: ib.Prior, state: Any, rng: ib.Rng, on_step: Any = None
    ) -> Tensor:
        self.calls.append(len(y))
        self.problems.append(problem)
        return self.answer(y, prior, rng)

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        return y + 0.1 * rng.randn_like(y)


CATALOG = load_catalog()
Run = Callable[..., Outcome]


def metrics(catalog: Catalog = CATALOG) -> list[Metric]:
    return [plugin.cls() for plugin in catalog.plugins["metric"].values()]


def cell_of(solver: ib.Solver, benchmark: str = "gmm", task: ib.Task | None = None, **changes: Any) -> Cell:
    preset = CATALOG.benchmark(benchmark)
    return Cell(
        benchmark=preset,
        task=task or CATALOG.get("task", "denoise")(**preset.tasks["denoise"]),
        dataset=CATALOG.get("dataset", benchmark)(),
        source=CATALOG.get("prior", preset.prior)(),
        solver=solver,
        **changes,
    )


def images_of(out: Path) -> dict[str, Tensor]:
    """Reconstructions below ``out``, by file name; shards are one."""
    paths = sorted(out.rglob("*.safetensors"))
    tensors = {path.name: load_file(path)["x_hat"] for path in paths}
    assert len(tensors) == len(paths), "an image was kept twice"
    return tensors


def values_of(out: Path) -> dict[tuple[str, int, str], float]:
    """Every recorded number below ``out`` but the seconds."""
    (cell,) = load_cells(out)
    assert cell.damaged == 0
    return {(r.image, r.sample, r.metric): r.value for r in cell.rows if r.metric != "seconds"}


def run_json(outcome: Outcome) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    return content


def scored_cell(out: Path, solver: str = "wiener") -> LoadedCell:
    """A solver's cell below ``out``."""
    return load_cells(out, solver=solver)[0]


def paint(folder: Path, name: str, colour: str) -> None:
    """Save an image of one colour."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(folder / f"{name}.png")
