"""Charts of records: means, pairs of solvers, and quality against cost, with a panel per measurement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from invbench.analysis.comparable import by_measurement, interval_of, label, mean_of, shared_images
from invbench.analysis.digits import NONE, Metrics, format_value
from invbench.analysis.pairs import pairs
from invbench.analysis.pareto import COSTS, pareto
from invbench.analysis.versus import matching_cells
from invbench.errors import ConfigError
from invbench.figures.canvas import BLUE, PAGE, log_ticks, series, sheet, styled
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs, alike
from invbench.store.schema import Config

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

ACROSS = 2  # panels on a page's width
AT_EDGE = "; inf at the edge"
COST_LABELS = {"nfe": "network calls per sample (NFE)", "seconds": "seconds per image"}


class Panel(NamedTuple):
    """A panel for one measurement: the solvers that have the metric, on their common images."""

    title: str
    cells: list[LoadedCell]
    images: list[str]


class Bar(NamedTuple):
    """A mean with its 95 % interval; the ends are NaN if there is no interval."""

    name: str
    value: float
    low: float
    high: float


class Spending(NamedTuple):
    """The cost per sample of each solver, and the label of the axis."""

    values: list[float]
    label: str


def panels(cells: Sequence[LoadedCell], metric: str) -> list[Panel]:
    """A panel for each measurement for which a cell has the metric; titles name what distinguishes the panels."""
    groups = by_measurement([c for c in cells if c.images and mean_of(c, metric) is not None])
    titles = _titles([group[0].run.config for group in groups])
    return [_panel(title, group, metric) for title, group in zip(titles, groups, strict=True)]


def _panel(title: str, cells: list[LoadedCell], metric: str) -> Panel:
    """Scores of sets are of the common set of images if there is one, else of the most frequent set."""
    images, compared = shared_images(cells, metric), cells
    if not images:
        images = list(Counter(tuple(cell.images) for cell in cells).most_common(1)[0][0])
        compared = [cell for cell in cells if cell.images == images]
    others = len(cells) - len(compared)
    left_out = f", {others} with other images left out" if others else ""
    return Panel(f"{title} (n={len(images)}{left_out})", compared, images)


@styled
def bars(cells: Sequence[LoadedCell], metric: str, higher: bool | None, metrics: Metrics = NONE) -> Figure:
    """Means over the images that all solvers of a panel have, with 95 % BCa intervals; the best comes first."""
    parts = panels(cells, metric)
    most = max(len(panel.cells) for panel in parts)
    fig, axes = _page(parts, 0.17 * most + 0.7)
    for ax, panel in zip(axes, parts, strict=True):
        ordered = sorted(bars_of(panel, metric), key=lambda bar: -bar.value if higher else bar.value)
        values, places = np.array([bar.value for bar in ordered]), range(len(ordered))
        ends = np.array([[bar.value - bar.low, bar.high - bar.value] for bar in ordered]).T
        drawn = within_reach(values)
        ax.barh(places, drawn, color=BLUE, alpha=0.55, height=0.7)
        ax.errorbar(drawn, places, xerr=np.nan_to_num(ends), fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
        for place, (bar, length) in enumerate(zip(ordered, drawn, strict=True)):
            end = bar.high if math.isfinite(bar.high) else length
            ax.annotate(
                format_value(metric, bar.value, metrics),
                (max(end, 0), place),
                (3, 0),
                textcoords="offset points",
                va="center",
                size=7,
            )
        ax.set_yticks(places, [bar.name for bar in ordered])
        ax.set_ylim(most - 0.4, -0.6)  # bars of equal height in all panels
        ax.margins(x=0.18)
        ax.set(title=panel.title, xlabel=_axis(metric, cells))
    return fig


def bars_of(panel: Panel, metric: str) -> list[Bar]:
    """The bars of a panel: means over images or, if all solvers have the same set of images, scores of the set."""
    return [
        Bar(label(cell, panel.cells), _mean(cell, metric, panel), *interval_of(cell, metric, panel.images))
        for cell in panel.cells
    ]


@styled
def scatter(cells: Sequence[LoadedCell], metric: str, first: str, second: str, across_machines: bool = False) -> Figure:
    """Values of two solvers on the same images, with the diagonal and the number of points on either side.

    Raises ConfigError if no measurement has both.
    """
    paired = [
        (a, pair)
        for a, b in matching_cells(cells, first, second)
        for pair in pairs(b, a, across_machines=across_machines)
        if pair.metric == metric
    ]
    compared = [(a, pair) for a, pair in paired if len(pair.old)]
    if not compared:
        raise ConfigError(f"no image has a value of {metric} by both {first} and {second}; run them on one task")
    titles = _titles([cell.run.config for cell, _ in compared])
    fig, axes = _page(compared, PAGE / ACROSS)
    for ax, title, (_, pair) in zip(axes, titles, compared, strict=True):
        drawn = within_reach(np.array([pair.old, pair.new]))
        ax.axline((drawn[0, 0], drawn[0, 0]), slope=1, color="0.6", linewidth=0.8)
        ax.plot(*drawn, "o", color=BLUE, markersize=3, alpha=0.7)
        above, below = int((pair.new > pair.old).sum()), int((pair.new < pair.old).sum())
        ax.set_title(f"{title} (n={len(pair.old)})\n{first} higher on {above}, {second} on {below}")
        low, high = min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])
        ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        edge = AT_EDGE if np.isinf([pair.old, pair.new]).any() else ""
        ax.set(xlabel=f"{second}, {_axis(metric, cells)}{edge}", ylabel=f"{first}, {_axis(metric, cells)}{edge}")
    return fig


@styled
def front(
    cells: Sequence[LoadedCell], metric: str, higher: bool, cost: str, benched: Costs = MappingProxyType({})
) -> Figure:
    """A metric's mean against the cost per sample, "nfe" or "seconds"; the line joins the Pareto-optimal solvers.

    A panel shows seconds as ``invbench bench`` measured them, if it did for all solvers, else those of the runs.
    """
    parts = panels(cells, metric)
    names = sorted(label(cell, panel.cells) for panel in parts for cell in panel.cells)
    looks = series(names)
    handles: dict[str, Line2D] = {}
    fig, axes = _page(parts, 2.2)
    for ax, panel in zip(axes, parts, strict=True):
        spending = _spending(panel, cost, benched)
        values = np.array([_mean(c, metric, panel) for c in panel.cells])
        points = list(zip(spending.values, within_reach(values).tolist(), strict=True))
        _draw_front(ax, points, higher)
        handles |= _draw_points(ax, panel, points, looks)
        _scale(ax, cost)
        edge = AT_EDGE if np.isinf(values).any() else ""
        ax.set(title=panel.title, xlabel=spending.label, ylabel=_axis(metric, cells) + edge)
    fig.legend([handles[name] for name in looks], list(looks), loc="outside lower center", ncols=5, frameon=False)
    return fig


def _spending(panel: Panel, cost: str, benched: Costs) -> Spending:
    """The cost per sample of each solver of a panel, and the label of the axis, which says how it was measured."""
    alone = alike(panel.cells, benched) if cost == "seconds" else None
    if alone:
        return Spending(alone, f"{COST_LABELS[cost]}, one alone")
    values = [_mean(cell, COSTS[cost], panel) for cell in panel.cells]
    return Spending(values, COST_LABELS[cost] + (" of the runs" if cost == "seconds" else ""))


def _draw_front(ax: Axes, points: Sequence[tuple[float, float]], higher: bool) -> None:
    """The Pareto front, extended to the highest cost."""
    best = [points[i] for i in pareto(points, higher)]
    best.append((max(cost for cost, _ in points), best[-1][1]))
    ax.step(*zip(*best, strict=True), where="post", color="0.5", linewidth=0.8, zorder=1)


def _draw_points(
    ax: Axes, panel: Panel, points: Sequence[tuple[float, float]], looks: Mapping[str, tuple[str, str]]
) -> dict[str, Line2D]:
    """A point for each solver of a panel; returns what the legend shows, by name."""
    handles = {}
    for cell, point in zip(panel.cells, points, strict=True):
        name = label(cell, panel.cells)
        colour, marker = looks[name]
        (handles[name],) = ax.plot(
            *point, marker, color=colour, markersize=5, markeredgecolor="black", markeredgewidth=0.3, label=name
        )
    return handles


def _scale(ax: Axes, cost: str) -> None:
    """Logarithmic costs, and a grid."""
    if cost == "nfe":
        ax.set_xscale("symlog", linthresh=1)  # solvers that call no network are at 0
        ax.xaxis.set_major_formatter("{x:g}")
    else:
        ax.set_xscale("log")
        log_ticks(ax.xaxis, *ax.get_xlim())
    ax.grid(color="0.9", linewidth=0.5)


def within_reach(values: np.ndarray) -> np.ndarray:
    """The values, with infinite ones replaced by values slightly beyond the finite range."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    beyond = 0.1 * max(high - low, abs(high), abs(low))
    return np.where(np.isinf(values), np.where(values > 0, high + beyond, low - beyond), values)


def _page(parts: Sequence[Any], height: float) -> tuple[Figure, list[Any]]:
    """A page with axes for each panel, ``height`` inches a row."""
    across = min(ACROSS, len(parts))
    down = math.ceil(len(parts) / across)
    fig = sheet(PAGE * across / ACROSS, height * down)
    axes = fig.subplots(down, across, squeeze=False).flatten()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(parts) :]:
        ax.remove()
    return fig, list(axes[: len(parts)])


def _titles(configs: Sequence[Config]) -> list[str]:
    """The task of each measurement and, where that is ambiguous, benchmark, noise, dataset, prior and seed."""
    parts = [_parts(config) for config in configs]
    titles = [task for task, *_ in parts]
    for more in list(zip(*parts, strict=True))[1:]:
        if len(set(more)) > 1:
            titles = _distinguished(titles, more)
    return titles


def _parts(config: Config) -> tuple[str, ...]:
    """The parts of a measurement, in words."""
    named = f"dataset {config.dataset.name}", f"prior {config.prior.name}", f"seed {config.seed}"
    return config.task.name, config.benchmark.name, config.task.noise, *named


def _distinguished(titles: Sequence[str], more: Sequence[str]) -> list[str]:
    """Titles, extended where several are equal."""
    counts = Counter(titles)
    return [f"{title}, {words}" if counts[title] > 1 else title for title, words in zip(titles, more, strict=True)]


def _axis(metric: str, cells: Sequence[LoadedCell]) -> str:
    """A metric with its unit."""
    units = {r.metric: r.unit for c in cells for r in c.rows} | {s.metric: s.unit for c in cells for s in c.sets}
    unit = units.get(metric)
    return f"{metric} ({unit})" if unit else metric


def _mean(cell: LoadedCell, metric: str, panel: Panel) -> float:
    value = mean_of(cell, metric, panel.images)
    return math.nan if value is None else value
