"""What integrating over noise levels does to the divergence, in one dimension: the idea of the paper's Fig. 3.

    python docs/figures/ikl.py --to ikl.png [--points 401]

The prior p has two narrow modes, the smaller one at -1; q is as narrow and stands at m. Both are known at every
noise level, x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, so nothing here is trained or drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import invbench as ib
from invbench.figures.canvas import BLUE, ORANGE, PAGE, RED, save, sheet, styled

Values = NDArray[np.float64]
STD, WEIGHTS, MEANS = 0.15, (0.3, 0.7), (-1.0, 1.0)
LEVELS = {0: BLUE, 200: ORANGE, 400: RED}  # t, and its colour
STUCK = -1.0  # where q stands in the upper row
WIDEST = 2.0
ABAR: Values = ib.alpha_bar(ib.linear_betas())


def density(x: Values, mean: float, t: int) -> Values:
    """The diffused Gaussian that started at ``mean``."""
    variance = ABAR[t] * STD**2 + 1 - ABAR[t]
    return np.exp(-((x - ABAR[t] ** 0.5 * mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def prior(x: Values, t: int) -> Values:
    """The diffused prior."""
    return sum(w * density(x, mean, t) for w, mean in zip(WEIGHTS, MEANS, strict=True)) + 1e-300


def divergence(x: Values, m: float, t: int) -> float:
    """KL(q_t || p_t) of q at m."""
    q = density(x, m, t) + 1e-300
    return float((q * np.log(q / prior(x, t))).sum() * (x[1] - x[0]))


def landscapes(x: Values, places: Values) -> dict[str, Values]:
    """KL without noise and its integral over t with the code's w(t), for q at each place, as shares of their maxima."""
    times = range(0, 1000, 10)
    each = np.array([[divergence(x, m, t) for m in places] for t in times])
    w = np.sqrt((1 - ABAR[::10]) / ABAR[::10])
    return {"without noise": each[0] / each[0].max(), "integral": (total := w @ each) / total.max()}


@styled
def draw(points: int) -> Any:
    """Densities at three noise levels; their score differences; the two divergences and where they push q."""
    x = np.linspace(-5, 5, 10 * points)
    fig = sheet(PAGE, 3.8)
    (upper, (scores, heights, pushes)) = fig.subplots(2, 3)
    for ax, (t, colour) in zip(upper, LEVELS.items(), strict=True):
        q, p = density(x, STUCK, t), prior(x, t)
        ax.fill_between(x, p, color="0.8", label="p")
        ax.plot(x, q, color=colour, label="q")
        overlap = np.minimum(p, q).sum() * (x[1] - x[0])
        ax.set(title=f"t = {t}, overlap {overlap:.2f}", xlim=(-WIDEST - 1, WIDEST + 1), yticks=[], xlabel="x")
        ax.legend(frameon=False)
        inside = q > 0.1 * q.max()
        difference = np.gradient(np.log(p) - np.log(q + 1e-300), x)
        scores.plot(x[inside], difference[inside], color=colour, label=f"t = {t}")
    scores.axhline(0, color="0.6", linewidth=0.8)
    scores.set(title="score of p less that of q, where q is", xlabel="x", ylim=(-1, 5))
    scores.legend(frameon=False, loc="upper left")
    places = np.linspace(-WIDEST, WIDEST, points)
    for (name, values), line in zip(landscapes(x[::5], places).items(), ("--", "-"), strict=True):
        heights.plot(places, values, line, color="black", label=name)
        push = -np.gradient(values, places)
        pushes.plot(places, push, line, color="black", label=name)
    heights.set(title="divergence (share of its maximum)", xlabel="m, where q stands", ylim=(-0.05, 1.35))
    pushes.axhline(0, color="0.6", linewidth=0.8)
    pushes.set(title="where it pushes q (> 0: right)", xlabel="m, where q stands")
    heights.legend(frameon=False)
    return fig


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("ikl.png"), help="file to write (.png, .pdf, .svg)")
    parser.add_argument("--points", type=int, default=401, help="places of q")
    options = parser.parse_args()
    print(save(draw(options.points), options.to))
