"""Requests: to run a cell or a shard of it, or to join its shards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

from invbench.errors import InvbenchError
from invbench.guard import printable
from invbench.harness.config import Choice, build, limits, parse_shard
from invbench.harness.outcome import Outcome
from invbench.noise import origin_of, parse_noise
from invbench.numbers import OURS
from invbench.plugins import Catalog


@dataclass(frozen=True)
class Request:
    """A cell of a job, or a shard of it, for the job's own solver or for a ``reference``.

    ``command_id`` identifies the command, which overwrites a cell only once. ``joins``: only join the shards, which
    were run elsewhere.
    """

    choice: Choice
    reference: str
    command: str
    command_id: str = ""
    joins: bool = False

    @property
    def title(self) -> str:
        """Benchmark, task and solver, and the shard."""
        names, (i, k) = self.choice.names, self.shard
        cell = f"{names['benchmark']}/{names['task']}/{self.reference or names['solver']}"
        return f"{cell}, shard {i}/{k}" if self.is_part else cell

    @property
    def shard(self) -> tuple[int, int]:
        """The requested part of the images."""
        return parse_shard(self.choice.config.shard)

    @property
    def is_part(self) -> bool:
        """Whether it is a shard of a command that joins them."""
        return self.choice.config.shards > 1 and not self._is_whole

    @property
    def in_parts(self) -> bool:
        """Whether it is to be divided into shards that are run."""
        return self.choice.config.shards > 1 and self._is_whole and not self.joins

    @property
    def _is_whole(self) -> bool:
        return self.shard == (0, 1)

    def part(self, i: int) -> Request:
        """The request for the i-th of its shards."""
        config = SimpleNamespace(**vars(self.choice.config) | {"shard": f"{i}/{self.choice.config.shards}"})
        return replace(self, choice=replace(self.choice, config=config))

    def at_risk(self, catalog: Catalog) -> bool:
        """Whether the cell runs in a separate process: as the user says, else if it has third-party plugins.

        Shards do too: if one dies, the process that started it reports this, and the others continue.
        """
        isolate, seconds = limits(self.choice.config)
        if isolate is not None:
            return isolate
        return seconds > 0 or self.choice.config.shards > 1 or (catalog.installed and bool(self._strangers(catalog)))

    def _strangers(self, catalog: Catalog) -> set[str]:
        names = {**self.choice.names, "solver": self.reference or self.choice.names["solver"]}
        benchmark = catalog.benchmark(names.pop("benchmark"))
        if names["prior"] == benchmark.name:
            names["prior"] = benchmark.prior
        parts = [catalog.plugin(kind, name) for kind, name in names.items()]
        noises = {name for name, _ in origin_of(parse_noise(self.choice.config.task["noise"]))}
        return (noises | {p.distribution for p in (*parts, *catalog.plugins["metric"].values())}) - {OURS}


def job_requests(choice: Choice, catalog: Catalog, own: Request) -> list[Request]:
    """The requests of a job: the benchmark's references, then ``own``.

    Raises DataError if the weights of its solver are absent, before any reference is run.
    """
    solver, benchmark = choice.names["solver"], catalog.benchmark(choice.names["benchmark"])
    references = benchmark.references if choice.config.references else ()
    requests = [*(replace(own, reference=name) for name in references if name != solver), own]
    if not any(request.at_risk(catalog) for request in requests):
        build(choice, catalog).config()
    return requests


def faults_of(request: Request, outcome: Outcome) -> list[str]:
    """The errors of a cell or a shard of it, one line each."""
    failed = [f"{request.title}: {outcome.reason}"] if outcome.status == "failed" else []
    return failed + [
        f"{request.title}: metric {metric} failed, and its scores are left out: {reason}"
        for metric, reason in outcome.faults.items()
    ]


def named(request: Request, error: InvbenchError) -> str:
    """An error with the name of its cell or shard."""
    text = printable(str(error))
    return text if text.startswith(request.title) else f"{request.title}: {text}"
