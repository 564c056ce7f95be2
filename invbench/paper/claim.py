"""A statement of a paper that records can confirm or contradict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from invbench.paper.layout import Layout
from invbench.paper.printed import Contender, PaperTable


class Column(NamedTuple):
    """A column of a table: benchmark and task by our names, the metric as printed."""

    benchmark: str
    task: str
    metric: str


@dataclass(frozen=True)
class Claim:
    """A statement about methods of the paper on one benchmark and task, in one metric.

    ``pairs`` are the (better, worse) pairs of an order, the single (better, worse) pair of a margin of size ``value``,
    or the single (fast, slow) pair of a ratio of at least ``bound``; a cell has one method and its ``value``.
    Methods are rows of the table, by ``PaperTable.name_of``; ``printed`` holds value and NFE of each as printed.
    ``benchmark``, ``task``, ``metric`` and ``prior`` are our names; for a proxy, ``original`` is the claim of the
    paper.
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
    images: int = 0  # number of images in the paper; 0 on a proxy
    iterations: Mapping[str, int] = field(
        default_factory=dict
    )  # of training in the paper, by our solver; none on a proxy
    caveat: str = ""
    proxy_on: str = ""
    original: Claim | None = None

    @property
    def is_proxy(self) -> bool:
        """Whether it is about other images, weights and metrics than the paper's."""
        return self.original is not None

    @property
    def layout(self) -> Layout:
        """How the tables of its paper are read."""
        return self.source.paper.layout

    @property
    def table(self) -> int:
        """The table's number."""
        return self.source.number

    @property
    def noise(self) -> str:
        """The noise of its table, in the notation of tasks."""
        return self.source.noise_of(self.task)

    @property
    def contenders(self) -> dict[str, Contender]:
        """What each method is here."""
        return {method: self.source.contenders[method] for method in self.methods}

    def on_proxy(self, prior: str) -> Claim:
        """The same statement about the proxy benchmark."""
        tasks = {task.name: task.proxy or task.name for task in self.layout.tasks.values()}
        score = self.layout.metrics[self.column]
        return replace(
            self,
            benchmark=self.proxy_on,
            task=tasks[self.task],
            metric=score.proxy or score.name,
            prior=prior,
            images=0,
            iterations={},
            original=self,
        )
