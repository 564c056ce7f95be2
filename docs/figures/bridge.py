"""The Perturbed Posterior Bridge (the paper's Fig. 4), and what the trained network makes of its points.

    python docs/figures/bridge.py --to bridge.png [--task sr4] [--image ID]

Uses the weights that ship for the tasks of ``photos``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from invbench_solvers.davi.bridge import END, Bridge, draw_a, network_input

import invbench as ib
from invbench.figures.canvas import BLUE, ORANGE, PAGE, save, sheet, styled
from invbench.figures.pictures import picture
from invbench.harness.bank import MeasurementBank
from invbench.plugins import load_catalog
from invbench.settings import settings

STATES = (0, 250, 500, 750, END)
DRAWS = 2000


@dataclass(frozen=True)
class Restorer:
    """An image x and its measurement y, and the network that ships for the task."""

    x: torch.Tensor
    y: torch.Tensor
    A: ib.Operator
    bridge: Bridge
    phi: ib.Prior

    def estimate(self, y_a: torch.Tensor, a: int) -> torch.Tensor:
        """The image that the network sees in a point of the bridge."""
        with torch.inference_mode():
            return self.bridge.image(y_a, self.phi.eps(y_a, a), torch.tensor([a])).clamp(-1, 1)


def restorer(task_name: str, image: str) -> Restorer:
    """For an image of ``photos``, the first if it is empty."""
    catalog = load_catalog()
    benchmark = catalog.benchmark("photos")
    task = catalog.get("task", task_name)(**benchmark.tasks[task_name])
    bank = MeasurementBank.open(benchmark, catalog.get("dataset", "photos")(), task, seed=0)
    measured = bank.measure([image or bank.dataset.ids()[0]])
    cls = catalog.get("solver", "davi")
    solver = cls(**settings(cls, "photos", task_name).values)
    prior = catalog.get("prior", benchmark.prior)().load(bank.dataset.x_shape, "cpu")
    problem = ib.Problem(bank.A, task.noise_model.sigma_y, task_name, "photos", "photos")
    return Restorer(measured.x, measured.y, bank.A, solver.make_bridge(), solver.prepare(problem, prior))


def states(task: str, image: str) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Points y_a of the bridge of an image, the network's estimates from them, and their captions."""
    shipped = restorer(task, image)
    rng, y = ib.Rng.single(purpose="figure"), network_input(shipped.y, shipped.A)
    points, estimates, captions = [], [], []
    for a in STATES:
        y_a = shipped.bridge.point(shipped.x, y, torch.tensor([a]), rng.randn_like(y))
        x_hat = shipped.estimate(y_a, a)
        points.append(picture(y_a[0]))
        estimates.append(picture(x_hat[0]))
        captions.append(f"{10 * (4 / (x_hat - shipped.x).square().mean()).log10():.2f} dB")
    return points, estimates, captions


def path(perturbation: str, density: str) -> np.ndarray:
    """Points of the bridge from x = 0 to y = 1: (DRAWS, 2), the position and the perturbation h sigma_bar_a z."""
    rng = ib.Rng.for_images([str(i) for i in range(DRAWS)], purpose="path")
    bridge = Bridge("i2sb", "tanh", perturbation, h=0.1)
    a, z = draw_a(density, rng), rng.randn((1, 1, 1))
    zero = torch.zeros_like(z)
    position, moved = bridge.point(zero, zero + 1, a, zero), bridge.point(zero, zero, a, z)
    return torch.stack([position, moved], 1).reshape(DRAWS, 2).numpy()


@styled
def draw(task: str, image: str) -> Any:
    """Fig. 4 above the bridge of an image: its points y_a and the estimates from them."""
    fig = sheet(PAGE, 4.7)
    upper, lower = fig.subfigures(2, 1, height_ratios=(1, 1.55))
    shares, *paths = upper.subplots(1, 3)
    u = np.linspace(0, 1, 101)
    shares.plot(u, 3 * u**2, color=BLUE, label="Beta(3, 1)")
    shares.plot(u, np.ones_like(u), "--", color=ORANGE, label="uniform")
    shares.set(title="p(a)", xlabel="a: 0 truth, 1 measurement")
    shares.legend(frameon=False)
    for ax, (perturbation, density) in zip(paths, (("constant", "uniform"), ("rising", "beta")), strict=True):
        points = path(perturbation, density)
        ax.plot(*points.T, ".", color=BLUE, markersize=2, alpha=0.4)
        ax.set(title=f"{perturbation} perturbation, a {density}", xlabel="from x = 0 to y = 1", ylim=(-0.45, 0.45))
    points, estimates, captions = states(task, image)
    axes = lower.subplots(2, len(STATES))
    for j, a in enumerate(STATES):
        axes[0, j].set_title(f"a = {a / END:.2g}")
        for ax, pixels, caption in ((axes[0, j], points[j], ""), (axes[1, j], estimates[j], captions[j])):
            ax.imshow(pixels, interpolation="nearest")
            ax.set(xticks=[], yticks=[], xlabel=caption)
    axes[0, 0].set_ylabel("y_a")
    axes[1, 0].set_ylabel("network's estimate")
    return fig


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("bridge.png"), help="file to write (.png, .pdf, .svg)")
    parser.add_argument("--task", default="sr4", help="a task of photos that weights ship for")
    parser.add_argument("--image", default="", help="an image of photos; the first if empty")
    options = parser.parse_args()
    print(save(draw(options.task, options.image), options.to))
