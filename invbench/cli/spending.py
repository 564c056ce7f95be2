"""The cost of a cell, and when the training of its solver pays off."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invbench.analysis.comparable import label
from invbench.store.reader import LoadedCell
from invbench.store.schema import Cost


def cost_breakdown(cost: Cost) -> str:
    """Where the time of a cell went, and its peak memory."""
    names = {"forward": "network forward", "backward": "network backward", "operator": "operator"}
    shares = {text: getattr(cost, f"{key}_seconds") / cost.solve_seconds for key, text in names.items()}
    parts = [f"{text} {share:.1%}" for text, share in shares.items() if share > 0]
    parts.append(f"other {1 - sum(shares.values()):.1%} of solve time; peak {cost.peak_bytes / 2**20:.0f} MiB")
    if cost.compile_seconds:
        parts.append(f"besides {cost.compile_seconds:.0f} s to compile the network")
    return ", ".join(parts)


def payoff(training_seconds: float, cell: LoadedCell, cells: Sequence[LoadedCell]) -> str:
    """From how many images on training plus solving is cheaper than each slower solver of the same measurements."""
    own = seconds_per_image(cell)
    slower = {label(c, cells): each for c in cells if (each := seconds_per_image(c)) > own}
    if not slower:
        return "no recorded solver is slower"
    counts = {name: math.ceil(training_seconds / (each - own)) for name, each in slower.items()}
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
    return f"cheaper, training included, from this many images on: {listed}"


def seconds_per_image(cell: LoadedCell) -> float:
    """Mean time to solve one image once."""
    solved = cell.run.images * cell.run.config.samples
    return cell.run.cost.solve_seconds / solved if solved else 0.0
