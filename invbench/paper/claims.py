"""What the DAVI paper states, from ``results/published/claims.toml``: printed cells, orders and ratios. No torch.

:mod:`invbench.paper.verdicts` judges them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from invbench.errors import ConfigError, unknown
from invbench.paper.published import BENCHMARKS, METRICS, SOLVERS, TASKS, TWIN_METRICS, TWINS, Paper, doubtful, noise_of
from invbench.store.released import results_folder

Rows = Sequence[Mapping[str, str]]
TRAINING = 12  # the table of hyper-parameters
FIELDS = {  # of an entry: required, optional
    "order": (("where", "says", "table", "first"), ("benchmarks", "tasks", "metrics", "above", "twin")),
    "ratio": (("where", "says", "table", "metric", "fast", "slow"), ("twin",)),
}
LISTS = {"first", "above", "benchmarks", "tasks", "metrics"}


@dataclass(frozen=True)
class Claim:
    """A statement about methods of the paper on one benchmark and task, in one metric.

    ``pairs`` are (better, worse) of an order, or the one (fast, slow) of a ratio, which is at least ``bound``; a cell
    has a method only. ``printed`` holds value and NFE of each method as the paper prints them. ``benchmark``, ``task``,
    ``metric`` and ``prior`` are ours: of a twin those that stand in for the paper's, and ``twin`` is True.
    """

    id: str
    kind: str
    where: str
    says: str
    table: int
    benchmark: str
    task: str
    column: str
    metric: str
    prior: str
    methods: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    bound: float = 0.0
    printed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    images: int = 0  # of the paper; 0 on a twin
    iterations: int = 0  # that the paper trained for; 0 on a twin
    caveat: str = ""
    twin_on: str = ""
    twin: bool = False

    @property
    def noise(self) -> str:
        """The noise of its table, as tasks write it."""
        return noise_of(self.table, self.task)

    @property
    def solvers(self) -> dict[str, str]:
        """Our solver of each method."""
        return {method: SOLVERS[method] for method in self.methods}

    def on_twin(self, prior: str) -> Claim:
        """The same statement about the benchmark that stands in."""
        return replace(
            self,
            benchmark=self.twin_on,
            task=TWINS.get(self.task, self.task),
            metric=TWIN_METRICS[self.column],
            prior=prior,
            images=0,
            iterations=0,
            twin=True,
        )


@dataclass(frozen=True)
class ClaimFile:
    """The content of ``claims.toml``, to be expanded to claims over the columns of the paper's tables."""

    path: Path
    content: Mapping[str, Any]
    paper: Paper

    def claims(self) -> list[Claim]:
        """Orders, ratios, then cells. Raises ConfigError naming file and claim."""
        found: list[Claim] = []
        for kind, expand in (("order", self.orders), ("ratio", self.ratios)):
            for name, entry in self.content.get(kind, {}).items():
                with _placed(f"{self.path}, {kind}.{name}"):
                    _check_fields(kind, entry)
                    found += expand(name, entry)
        with _placed(f"{self.path}, cells"):
            found += self.cells()
        return found

    def orders(self, name: str, entry: Mapping[str, Any]) -> Iterator[Claim]:
        """A claim for each column of the table that the entry does not leave out."""
        for column in self.columns(entry):
            methods = [r["method"] for r in self.rows(entry["table"], *column) if r["method"] in SOLVERS]
            first = entry["first"]
            rest = entry.get("above", [m for m in methods if m not in first])
            _check_known("method", [*first, *rest], methods)
            pairs = [*pairwise(first), *((first[-1], m) for m in rest)]
            if not pairs:
                raise ConfigError("compares nothing; name methods in 'above'")
            yield self.claim("/".join((name, *column)).lower(), "order", entry, column, [*first, *rest], pairs)

    def ratios(self, name: str, entry: Mapping[str, Any]) -> Iterator[Claim]:
        """A claim for each slower method."""
        for column in self.columns({"table": entry["table"], "metrics": [entry["metric"]]}):
            for slow, bound in entry["slow"].items():
                pair = (entry["fast"], slow)
                _check_known("method", pair, [r["method"] for r in self.rows(entry["table"], *column)])
                claim = self.claim("/".join((name, *column[:2], SOLVERS[slow])), "ratio", entry, column, pair, [pair])
                yield replace(claim, bound=float(bound))

    def cells(self) -> Iterator[Claim]:
        """A claim for each printed value of the tables and metrics of ``[cells]``, the first time it is printed."""
        rule, seen = self.content["cells"], set()
        for table in rule["tables"]:
            entry = {"where": f"Table {table}", "says": "", "table": table, "twin": False}
            rows = [r for r in self.paper.of(table) if r["metric"] in rule["metrics"] and r["method"] in SOLVERS]
            for row in rows:
                method, column = row["method"], _column(row)
                key = (noise_of(table, column[1]), *column, method, row["value"])
                if key not in seen:
                    name = "/".join(("cell", str(table), *column[:2], SOLVERS[method], column[2].lower()))
                    claim = self.claim(name, "cell", entry, column, [method])
                    caveats = [claim.caveat, row["note"] if doubtful(row) else ""]
                    yield replace(claim, caveat="; ".join(filter(None, caveats)))
                seen.add(key)

    def claim(
        self,
        name: str,
        kind: str,
        entry: Mapping[str, Any],
        column: tuple[str, str, str],
        methods: Sequence[str],
        pairs: Sequence[tuple[str, str]] = (),
    ) -> Claim:
        """A claim about a column (benchmark, task, metric) of the entry's table."""
        benchmark, task, metric = column
        table, priors = entry["table"], self.content["priors"]
        return Claim(
            id=name,
            kind=kind,
            where=entry["where"],
            says=entry["says"],
            table=table,
            benchmark=benchmark,
            task=task,
            column=metric,
            metric=METRICS[metric],
            prior=priors[benchmark],
            methods=tuple(methods),
            pairs=tuple(pairs),
            printed={r["method"]: (r["value"], r["nfe"]) for r in self.rows(table, *column)},
            images=self.content["images"],
            iterations=self.iterations.get((benchmark, task), 0),
            caveat="; ".join(
                c["text"]
                for c in self.content.get("caveat", [])
                if c.get("benchmark", benchmark) == benchmark and c.get("table", table) == table
            ),
            twin_on=self.content["twins"].get(benchmark, "") if entry.get("twin", True) else "",
        )

    def columns(self, entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """(benchmark, task, metric) of the entry's table, of its benchmarks, tasks and metrics where it names some."""
        found = list(dict.fromkeys(_column(r) for r in self.paper.of(entry["table"]) if r["metric"] in METRICS))
        for i, key in enumerate(("benchmarks", "tasks", "metrics")):
            known = {c[i] for c in found}
            wanted = entry.get(key, known)
            _check_known(key.removesuffix("s"), wanted, known)
            found = [c for c in found if c[i] in wanted]
        return found

    def rows(self, table: int, *column: str) -> Rows:
        """The printed rows of a column."""
        return [r for r in self.paper.of(table) if r["metric"] in METRICS and _column(r) == column]

    @cached_property
    def iterations(self) -> dict[tuple[str, str], int]:
        """What the paper trained for, by benchmark and task."""
        rows = [r for r in self.paper.of(TRAINING) if r["metric"] == "iterations_K"]
        return {_column(r)[:2]: int(r["value"]) for r in rows}


def load_claims(path: Path | None = None, benchmark: str = "") -> list[Claim]:
    """Every claim of the paper; with a benchmark those of it, or their twins on it.

    Raises ConfigError, naming file and claim, where the file is damaged, and for a benchmark without claims.
    """
    path = path or results_folder() / "published" / "claims.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if missing := [key for key in ("images", "priors", "twins", "cells") if key not in content]:
        raise ConfigError(f"{path} lacks {', '.join(missing)}")
    claims = ClaimFile(path, content, Paper.load()).claims()
    twins = content["twins"].values()
    _check_known("benchmark of a claim", [benchmark] if benchmark else [], {*BENCHMARKS.values(), *twins})
    if benchmark in twins:
        with _placed(f"{path}, priors"):
            return [c.on_twin(content["priors"][benchmark]) for c in claims if c.twin_on == benchmark]
    return [c for c in claims if not benchmark or c.benchmark == benchmark]


def chosen(claims: Sequence[Claim], names: Sequence[str]) -> list[Claim]:
    """The claims of these ids, or of ids that begin with them; all if none is named. Raises ConfigError."""
    for name in names:
        if not any(_named(c, name) for c in claims):
            raise ConfigError(unknown("claim", name, {p for c in claims for p in (c.id, c.id.partition("/")[0])}))
    return [c for c in claims if not names or any(_named(c, name) for name in names)]


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Say where in the file something is wrong."""
    try:
        yield
    except KeyError as error:
        raise ConfigError(f"{place}: the file says nothing about {error}") from None
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{place}: {error}") from None


def _named(claim: Claim, name: str) -> bool:
    return f"{claim.id}/".startswith(f"{name}/")


def _column(row: Mapping[str, str]) -> tuple[str, str, str]:
    return BENCHMARKS[row["dataset"]], TASKS[row["task"]], row["metric"]


def _check_fields(kind: str, entry: Any) -> None:
    required, optional = FIELDS[kind]
    if not isinstance(entry, dict):
        raise ConfigError(f"expected a table with {', '.join(required)}; got {entry!r}")
    _check_known("key", entry, [*required, *optional])
    if missing := [key for key in required if not entry.get(key)]:
        raise ConfigError(f"lacks {', '.join(missing)}")
    for key in LISTS.intersection(entry):
        if not isinstance(entry[key], list):
            raise ConfigError(f"{key} is a list of names; got {entry[key]!r}")


def _check_known(what: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(unknown(what, name, known))
