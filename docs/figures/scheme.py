"""The method in one sketch, as in the paper's Fig. 2, with the pixels of one iteration of Algorithm 1.

    python docs/figures/scheme.py --to scheme.png [--task sr4] [--image ID] [--a 700] [--t 150]

x_0, y, the point y_a of the bridge, the estimate of the network that ships and x_t are computed; nothing is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from bridge import restorer
from invbench_solvers.davi.bridge import network_input

import invbench as ib
from invbench.figures.canvas import BLUE, ORANGE, PAGE, RED, save, sheet, styled
from invbench.figures.pictures import picture

SIDE = 1.1  # of a picture; places are of its middle
PICTURES = {"x_0": (0.8, 3.5), "y": (0.8, 0.9), "y_a": (3.1, 2.2), "x_hat": (5.8, 2.2), "x_t": (8.2, 2.2)}
CAPTIONS = ("x_0", "y = H x_0 + n", "y_a, a ~ Beta(3, 1)", "x̂_0", "x_t, any t")
BOXES = {"s_θ: prior, fixed": (10.5, 3.3, "0.85"), "s_ψ: learns q_φ, eq. 12": (10.5, 1.1, ORANGE)}


class Arrow(NamedTuple):
    """From one place to another; ``dashed`` where a gradient goes back to phi."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str = "0.3"
    dashed: bool = False


ARROWS = (
    Arrow((0.8, 2.6), (0.8, 1.55)),
    Arrow((1.45, 3.2), (2.45, 2.6)),
    Arrow((1.45, 1.2), (2.45, 1.8)),
    Arrow((3.75, 2.2), (5.15, 2.2), BLUE),
    Arrow((6.45, 2.2), (7.55, 2.2)),
    Arrow((8.85, 2.5), (9.4, 3.0)),
    Arrow((8.85, 1.9), (9.4, 1.4)),
    Arrow((9.2, 3.5), (5.9, 2.9), RED, dashed=True),
    Arrow((1.5, 0.8), (5.5, 1.35), RED, dashed=True),
)
WORDS = {
    "H, noise": (1.3, 2.15, "0.3"),
    "bridge": (2.35, 3.1, "0.3"),
    "network I_φ": (4.45, 2.35, BLUE),
    "noise": (7.0, 2.35, "0.3"),
    "divergence, eq. 11: w(t) (s_ψ - s_θ)": (7.0, 3.6, RED),
    "consistency, eq. 8: |y - H x̂_0|²": (4.2, 0.7, RED),
}


def pixels(task: str, image: str, a: int, t: int) -> list[Any]:
    """The five pictures, in the order of PICTURES."""
    shipped = restorer(task, image)
    rng, x, y = ib.Rng.single(purpose="figure"), shipped.x, network_input(shipped.y, shipped.A)
    index = torch.tensor([a])
    y_a = shipped.bridge.point(x, y, index, rng.randn_like(y))
    x_hat = shipped.estimate(y_a, a)
    abar = float(ib.alpha_bar(ib.linear_betas())[t])
    x_t = abar**0.5 * x_hat + (1 - abar) ** 0.5 * rng.randn_like(x_hat)
    return [picture(each[0]) for each in (x, y, y_a, x_hat, x_t)]


@styled
def draw(task: str, image: str, a: int, t: int) -> Any:
    """Pictures, networks, and arrows between them."""
    fig = sheet(PAGE, 2.4)
    ax = fig.subplots()
    for shown, (x, y), caption in zip(pixels(task, image, a, t), PICTURES.values(), CAPTIONS, strict=True):
        half = SIDE / 2
        ax.imshow(shown, extent=(x - half, x + half, y - half, y + half), interpolation="nearest", zorder=2)
        ax.text(x, y - half - 0.06, caption, ha="center", va="top")
    for words, (x, y, colour) in BOXES.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "0.3", "alpha": 0.6}
        ax.text(x, y, words, ha="center", va="center", bbox=box)
    for arrow in ARROWS:
        style = {"arrowstyle": "->", "color": arrow.colour, "linestyle": "--" if arrow.dashed else "-"}
        ax.annotate("", arrow.end, arrow.start, arrowprops=style)
    for words, (x, y, colour) in WORDS.items():
        ax.text(x, y, words, ha="center", va="bottom", color=colour)
    ax.set(xlim=(0, 12.2), ylim=(0, 4.2), aspect="equal")
    ax.axis("off")
    return fig


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("scheme.png"), help="file to write (.png, .pdf, .svg)")
    parser.add_argument("--task", default="sr4", help="a task of photos that weights ship for")
    parser.add_argument("--image", default="", help="an image of photos; the first if empty")
    parser.add_argument("--a", type=int, default=700, help="place on the bridge: 0 truth, 999 measurement")
    parser.add_argument("--t", type=int, default=150, help="time of the divergence, 0 to 999")
    options = parser.parse_args()
    print(save(draw(options.task, options.image, options.a, options.t), options.to))
