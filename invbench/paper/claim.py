"""A statement of a paper that records can confirm or not. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from invbench.paper.layout import Layout
from invbench.paper.printed import PaperTable


class Column(NamedTuple):
    """A column of a table: benchmark and task by our names, the metric as printed."""

    benchmark: str
    task: str
    metric: str


@dataclass(frozen=True)
class Claim:
    """A statement about methods of the paper on one benchmark and task, in one metric.

    ``pairs`` are (better, worse) of an order, the one (better, worse) of a margin, which is ``value``, or the one
    (fast, slow) of a ratio, which is at least ``bound``; a cell has one method, and its ``value``. ``printed`` holds
    value and NFE of each method as the paper prints them. ``benchmark``, ``task``, ``metric`` and ``prior`` are ours;
    where others stand in, ``original`` is the claim of the paper.
    """

    id: str
    kind: str
    where: str
    says: str
    source: PaperTable
    benchmark: str
    task: str
    column: str
    metric: str
    prior: str
    methods: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    bound: float = 0.0
    value: str = ""
    printed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    images: int = 0  # of the paper; 0 on a proxy
    iterations: int = 0  # that the paper trained for; 0 on a proxy
    caveat: str = ""
    proxy_on: str = ""
    original: Claim | None = None

    @property
    def is_proxy(self) -> bool:
        """Whether other images, weights and metrics stand in for the paper's."""
        return self.original is not None

    @property
    def layout(self) -> Layout:
        """How the tables of its paper are read."""
        return self.source.paper.layout

    @property
    def table(self) -> int:
        """The number of its table."""
        return self.source.number

    @property
    def noise(self) -> str:
        """The noise of its table, as tasks write it."""
        return self.source.noise_of(self.task)

    @property
    def solvers(self) -> dict[str, str]:
        """Our solver of each method."""
        return {method: self.layout.methods[method] for method in self.methods}

    def on_proxy(self, prior: str) -> Claim:
        """The same statement about the benchmark that stands in."""
        tasks = {task.name: task.proxy or task.name for task in self.layout.tasks.values()}
        score = self.layout.metrics[self.column]
        return replace(
            self,
            benchmark=self.proxy_on,
            task=tasks[self.task],
            metric=score.proxy or score.name,
            prior=prior,
            images=0,
            iterations=0,
            original=self,
        )
