"""The claims of a paper, from ``results/published/claims.toml``: printed cells, orders, margins and ratios.

:mod:`invbench.paper.verdicts` judges them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from invbench.errors import ConfigError, unknown
from invbench.paper.claim import Claim, Column
from invbench.paper.layout import Layout
from invbench.paper.printed import Method, Paper, PaperTable, Printed
from invbench.store.released import results_folder

FIELDS = {  # fields of an entry: required, optional
    "order": (("where", "says", "table", "first"), ("benchmarks", "tasks", "metrics", "above", "proxy")),
    "margin": (("where", "says", "table", "task", "metric", "ahead", "behind", "by"), ("benchmark",)),
    "ratio": (("where", "says", "table", "metric", "fast", "slow"), ("proxy",)),
}
LISTS = {"first", "above", "benchmarks", "tasks", "metrics"}


@dataclass(frozen=True)
class ClaimFile:
    """The content of ``claims.toml``, to be expanded to claims over the columns of the paper's tables."""

    path: Path
    content: Mapping[str, Any]
    paper: Paper

    def claims(self) -> list[Claim]:
        """Orders, margins, ratios, then cells. Raises ConfigError naming file and claim."""
        claims: list[Claim] = []
        for kind, expand in (("order", self.orders), ("margin", self.margins), ("ratio", self.ratios)):
            for name, entry in self.content.get(kind, {}).items():
                with _placed(f"{self.path}, {kind}.{name}"):
                    _check_fields(kind, entry)
                    claims += expand(name, entry)
        with _placed(f"{self.path}, cells"):
            claims += self.cells()
        return claims

    @property
    def layout(self) -> Layout:
        """How the paper's tables are read."""
        return self.paper.layout

    def orders(self, name: str, entry: Mapping[str, Any]) -> Iterator[Claim]:
        """A claim for each column of the table that the entry does not leave out."""
        table = self.paper.table(entry["table"])
        for column in self.columns(table, entry):
            methods = [name for name in self.rows(table, column) if name in table.contenders]
            first = entry["first"]
            rest = entry.get("above", [m for m in methods if m not in first])
            _check_known("method", [*first, *rest], methods)
            pairs = [*pairwise(first), *((first[-1], m) for m in rest)]
            if not pairs:
                raise ConfigError("compares nothing; name methods in 'above'")
            claim = self.claim("/".join((name, *column)).lower(), "order", table, column, [*first, *rest])
            yield replace(self.stated(claim, entry), pairs=tuple(pairs))

    def margins(self, name: str, entry: Mapping[str, Any]) -> Iterator[Claim]:
        """The claim that one method leads another by a value, rounded like the table."""
        table = self.paper.table(entry["table"])
        pair, by = (entry["ahead"], entry["behind"]), str(entry["by"])
        float(by)
        place = {"tasks": [entry["task"]], "metrics": [entry["metric"]]}
        place |= {"benchmarks": [entry["benchmark"]]} if "benchmark" in entry else {}
        for column in self.columns(table, place):
            _check_known("method", pair, self.rows(table, column))
            claim = self.claim("/".join((name, *column)).lower(), "margin", table, column, pair)
            yield replace(claim, where=entry["where"], says=entry["says"], pairs=(pair,), value=by)

    def ratios(self, name: str, entry: Mapping[str, Any]) -> Iterator[Claim]:
        """A claim for each slower method."""
        table = self.paper.table(entry["table"])
        for column in self.columns(table, {"metrics": [entry["metric"]]}):
            for slow, bound in entry["slow"].items():
                pair = (entry["fast"], slow)
                _check_known("method", pair, self.rows(table, column))
                words = (name, *column[:2], table.contenders[slow].id)
                claim = self.claim("/".join(words), "ratio", table, column, pair)
                yield replace(self.stated(claim, entry), pairs=(pair,), bound=float(bound))

    def cells(self) -> Iterator[Claim]:
        """A claim for each printed value of the tables and metrics of ``[cells]``, at its first occurrence."""
        rule, claimed = self.content["cells"], set()
        for table in map(self.paper.table, rule["tables"]):
            for row in table.rows:
                name, column = table.name_of(Method(row.method, row.nfe)), self.column(row)
                if row.metric not in rule["metrics"] or name not in table.contenders:
                    continue
                key = (table.noise_of(column.task), column, name, row.value)
                if key not in claimed:
                    yield self.cell(table, row, name)
                claimed.add(key)

    def cell(self, table: PaperTable, row: Printed, name: str) -> Claim:
        """The claim that a printed value is right."""
        column = self.column(row)
        words = (str(table.number), *column[:2], table.contenders[name].id, column.metric.lower())
        claim = self.claim("/".join(("cell", *words)), "cell", table, column, [name])
        caveats = [claim.caveat, row.note if row.doubtful else ""]
        caveat = "; ".join(filter(None, caveats))
        return replace(claim, where=f"Table {table.number}", value=row.value, caveat=caveat)

    def stated(self, claim: Claim, entry: Mapping[str, Any]) -> Claim:
        """The claim with the paper's words, and the benchmark that may serve as a proxy."""
        stand_in = self.content["proxies"].get(claim.benchmark, "") if entry.get("proxy", True) else ""
        return replace(claim, where=entry["where"], says=entry["says"], proxy_on=stand_in)

    def claim(self, name: str, kind: str, table: PaperTable, column: Column, methods: Sequence[str]) -> Claim:
        """A claim about a column of a table."""
        return Claim(
            id=name,
            kind=kind,
            where="",
            says="",
            source=table,
            benchmark=column.benchmark,
            task=column.task,
            column=column.metric,
            metric=self.layout.metrics[column.metric].name,
            prior=self.layout.prior(column.benchmark),
            methods=tuple(methods),
            printed={name: (r.value, r.nfe) for name, r in self.rows(table, column).items()},
            images=self.content["images"],
            iterations=self.iterations.get((column.benchmark, column.task), {}),
            caveat="; ".join(self.caveats(table.number, column.benchmark)),
        )

    def caveats(self, table: int, benchmark: str) -> Iterator[str]:
        """Points that the paper leaves unclear about a benchmark in a table."""
        for caveat in self.content.get("caveat", []):
            if caveat.get("benchmark", benchmark) == benchmark and caveat.get("table", table) == table:
                yield caveat["text"]

    def columns(self, table: PaperTable, entry: Mapping[str, Any]) -> list[Column]:
        """The table's columns, restricted to the entry's benchmarks, tasks and metrics if it names any."""
        columns = list(dict.fromkeys(self.column(r) for r in table.rows if r.metric in self.layout.metrics))
        for i, key in enumerate(("benchmarks", "tasks", "metrics")):
            known = {c[i] for c in columns}
            names = entry.get(key, known)
            _check_known(key.removesuffix("s"), names, known)
            columns = [c for c in columns if c[i] in names]
        return columns

    def column(self, row: Printed) -> Column:
        """The column of a row."""
        return Column(self.layout.benchmarks[row.dataset].name, self.layout.tasks[row.task].name, row.metric)

    def rows(self, table: PaperTable, column: Column) -> dict[str, Printed]:
        """The printed rows of a column, by their names."""
        return {table.name_of(Method(r.method, r.nfe)): r for r in table.rows if self.column(r) == column}

    @cached_property
    def iterations(self) -> dict[tuple[str, str], dict[str, int]]:
        """Training iterations in the paper by our solver, by benchmark and task."""
        where = self.layout.iterations
        if where is None:
            return {}
        rows = [r for r in self.paper.table(where.table).rows if r.metric == where.metric]
        return {self.column(r)[:2]: {where.solver: int(r.value)} for r in rows}


def load_claims(path: Path | None = None, benchmark: str = "") -> list[Claim]:
    """Every claim of the paper; with a benchmark, the claims about it, or proxies on it.

    Raises ConfigError, naming file and claim, if the file is damaged, and for a benchmark without claims.
    """
    path = path or results_folder() / "published" / "claims.toml"
    content = _read(path)
    paper = Paper.load(content["paper"])
    claims = ClaimFile(path, content, paper).claims()
    if not benchmark:
        return claims
    proxies = content["proxies"].values()
    _check_known("benchmark of a claim", [benchmark], {*(b.name for b in paper.layout.benchmarks.values()), *proxies})
    if benchmark in proxies:
        with _placed(f"{path}, priors"):
            return [c.on_proxy(content["priors"][benchmark]) for c in claims if c.proxy_on == benchmark]
    return [c for c in claims if c.benchmark == benchmark]


def _read(path: Path) -> Mapping[str, Any]:
    """The content of a file of claims. Raises ConfigError if it cannot be read or lacks a part."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if missing := [key for key in ("paper", "images", "priors", "proxies", "cells") if key not in content]:
        raise ConfigError(f"{path} lacks {', '.join(missing)}")
    return content


def chosen(claims: Sequence[Claim], names: Sequence[str]) -> list[Claim]:
    """The claims whose id begins with one of these; all if none is given. Raises ConfigError."""
    for name in names:
        if not any(_named(c, name) for c in claims):
            raise ConfigError(_no_claim(name, claims))
    return [c for c in claims if not names or any(_named(c, name) for name in names)]


def _no_claim(name: str, claims: Sequence[Claim]) -> str:
    """Message for an unknown id, with the beginnings of known ids, or all ids that share its beginning."""
    heads = {claim.id.partition("/")[0] for claim in claims}
    own = f"{name.partition('/')[0]}/"
    return unknown("claim", name, heads | {c.id for c in claims if "/" in name and c.id.startswith(own)})


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Add the place in the file to an error."""
    try:
        yield
    except KeyError as error:
        raise ConfigError(f"{place}: the file says nothing about {error}") from None
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{place}: {error}") from None


def _named(claim: Claim, name: str) -> bool:
    return claim.id == name or claim.id.startswith((f"{name}/", f"{name}-"))


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
