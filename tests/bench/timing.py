"""Two things timed in turn, for ratios that hold on a busy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 9


def seconds(*calls: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Median time of each call after one that warms up; they alternate, so that a busy machine slows all alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, times, strict=True):
            begin = time.perf_counter()
            call()
            own.append(time.perf_counter() - begin)
    return [statistics.median(own[1:]) for own in times]


def note_per_image(benchmark: Any, images: int) -> None:
    """Add the milliseconds of an image to what a benchmark reports; nothing where benchmarks are run untimed."""
    if benchmark.stats:
        benchmark.extra_info["ms an image"] = 1e3 * benchmark.stats.stats.median / images
