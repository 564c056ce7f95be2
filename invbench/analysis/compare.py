"""What changed between two stores, for regression tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from invbench.analysis.columns import CALLS
from invbench.analysis.comparable import LAST_BITS, names_by, sameness
from invbench.analysis.pairs import Pair, in_words, name_of, pairs
from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.schema import JSON, Config

RULE = re.compile(r"(\w+)(<|>|!=)(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)(x?)")
ALIASES = {"nfe": CALLS}


@dataclass(frozen=True)
class Rule:
    """A bound on a mean difference, new minus old, or with ``x`` on the ratio of medians, new over old."""

    metric: str
    sign: str
    bound: float
    ratio: bool

    def broken(self, pair: Pair) -> bool:
        """Whether the pair is beyond the bound."""
        value = pair.ratio if self.ratio else pair.difference
        return {"<": value < self.bound, ">": value > self.bound, "!=": value != self.bound}[self.sign]

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound:g}{'x' if self.ratio else ''}"


def parse_rules(text: str) -> list[Rule]:
    """Rules such as ``psnr<-0.05,nfe!=0,seconds>1.3x``.

    >>> [str(rule) for rule in parse_rules("psnr<-0.05, nfe!=0, seconds>1.3x")]
    ['psnr<-0.05', 'nfe_forward!=0', 'seconds>1.3x']
    """
    rules = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = RULE.fullmatch(part)
        if not match:
            raise ConfigError(f"--fail-on takes METRIC<NUMBER, >, or !=, with x for a ratio; got {part!r}")
        metric, sign, bound, ratio = match.groups()
        rules.append(Rule(ALIASES.get(metric, metric), sign, float(bound), bool(ratio)))
    return rules


@dataclass(frozen=True)
class Match:
    """A cell that both stores have, and its scores in both."""

    old: LoadedCell
    new: LoadedCell
    pairs: Sequence[Pair]

    def lines(self, rules: Sequence[Rule]) -> Iterator[dict[str, str]]:
        """One row for each score that changed."""
        for pair in self.pairs:
            failed = bool(pair.lost or _broken(pair, rules))
            if failed or pair.nan or (pair.new != pair.old).any():
                cells = in_words(pair, "old", "new")
                yield {"cell": name_of(self.new), **cells, "": "FAIL" if failed else ""}

    def failures(self, rules: Sequence[Rule]) -> list[str]:
        """What is missing from the new cell, and each rule that is broken."""
        texts = [*self._lost_images(), *self._lost_metrics(rules), *self._lost_values()]
        for pair in self.pairs:
            change = f"from {pair.old.mean():.4g} to {pair.new.mean():.4g}" if len(pair.old) else ""
            texts += [f"{rule} is broken, {change}" for rule in _broken(pair, rules)]
        return [f"{name_of(self.new)}: {text}" for text in texts]

    def _lost_images(self) -> Iterator[str]:
        if lost := sorted(set(self.old.images) - set(self.new.images)):
            yield f"{len(lost)} of {len(self.old.images)} images are missing, {lost[0]} for one; run the same images"

    def _lost_metrics(self, rules: Sequence[Rule]) -> Iterator[str]:
        """The pairs that a rule names; scores of sets of other images do not count as lost."""
        present = {pair.metric for pair in self.pairs}
        if self.old.images != self.new.images:
            present |= _measured(self.new)
        for metric in sorted({rule.metric for rule in rules} & _measured(self.old) - present):
            yield f"{metric} is missing, or of another protocol"

    def _lost_values(self) -> Iterator[str]:
        for pair in self.pairs:
            if pair.lost:
                images = "image" if pair.lost == 1 else "images"
                yield f"{pair.metric} has no value (nan) for {pair.lost} {images} that had one"


def _broken(pair: Pair, rules: Sequence[Rule]) -> list[Rule]:
    """The rules whose bound a pair exceeds; empty if no image has a value in both cells."""
    return [rule for rule in rules if rule.metric == pair.metric and len(pair.old) and rule.broken(pair)]


def compare(
    base: Path, new: Path, rules: Sequence[Rule], filters: Mapping[str, str], across_machines: bool = False
) -> tuple[Table, bool]:
    """What changed between two stores, and whether a rule is broken or a cell is missing.

    Raises ConfigError if a store has no cells, if a rule names a metric that no cell has, or if measurements differ;
    ``across_machines`` allows measurements that differ in the last bits.
    """
    old, now = _by_identity(base, filters), _by_identity(new, filters)
    both = list(_matches(old, now, across_machines))
    _check_rules(rules, both, base)
    added = [cell for key, cell in now.items() if key not in old]
    failures = [_missing(cell, added, new) for key, cell in old.items() if key not in now]
    for match in both:
        failures += match.failures(rules)
    frame = pd.DataFrame([line for match in both for line in match.lines(rules)])
    total = sum(len(match.pairs) for match in both)
    notes = [
        f"{total - len(frame)} of {total} scores are the same, to the last bit, and not listed.",
        f"{new} minus {base}; mean paired differences with 95 % BCa intervals over images; ratios of medians.",
        *_changes_notes(both, added),
        *(f"FAIL {text}" for text in failures),
    ]
    return Table(f"{len(frame)} scores of {len(now)} cells changed", frame, tuple(notes)), bool(failures)


def _matches(old: Mapping[str, LoadedCell], new: Mapping[str, LoadedCell], across_machines: bool) -> Iterator[Match]:
    """The cells that both stores have."""
    for key, cell in new.items():
        if key in old:
            yield Match(old[key], cell, pairs(old[key], cell, across_machines=across_machines))


def _check_rules(rules: Sequence[Rule], both: Sequence[Match], base: Path) -> None:
    """Raises ConfigError for a rule about a metric that no cell has."""
    known = {metric for match in both for metric in _measured(match.old)}
    if strange := sorted({rule.metric for rule in rules} - known):
        raise ConfigError(
            f"--fail-on names {', '.join(strange)}, which no cell of {base} has; these are: {sorted(known)}"
        )


def _measured(cell: LoadedCell) -> set[str]:
    """The metrics that a cell has."""
    return {r.metric for r in cell.rows} | {s.metric for s in cell.sets}


def identity(cell: LoadedCell) -> str:
    """The key by which a cell is the same experiment in two stores: its configuration without hashes and versions."""
    config = {k: v for k, v in cell.run.config.plain().items() if k != "plugins"}
    config = {k: {i: j for i, j in v.items() if i != "sha256"} if isinstance(v, dict) else v for k, v in config.items()}
    return json.dumps(config, sort_keys=True)


def _missing(cell: LoadedCell, added: Sequence[LoadedCell], new: Path) -> str:
    """What to do about a missing cell; the most similar cell of the new store shows which option was changed."""
    names = {f"{part}.name" for part in ("benchmark", "task", "solver")}
    changes = [_changes(cell, other) for other in added]
    nearest = min((each for each in changes if names.isdisjoint(each)), key=len, default={})
    if not nearest:
        return (
            f"{name_of(cell)} is missing from {new}; run it there, or regenerate the base if it was removed on purpose"
        )
    return (
        f"{name_of(cell)} is missing from {new}, which has it with another configuration: {_listed(nearest)}; "
        "regenerate the base if the change is intended"
    )


def _changes_notes(both: Sequence[Match], added: Sequence[LoadedCell]) -> Iterator[str]:
    """Differences between the stores that are not failures: last bits, weights, versions, additional cells."""
    if any(sameness([match.old, match.new]) == "last bits" for match in both):
        yield LAST_BITS
    changes = ((_listed(_changes(match.old, match.new)), name_of(match.new)) for match in both)
    for text, cells in names_by(change for change in changes if change[0]).items():
        more = ", ..." if len(cells) > 1 else ""
        yield f"Other weights or versions: {text}, in {len(cells)} cells: {cells[0]}{more}."
    if added:
        yield f"Only in the new store: {', '.join(map(name_of, added))}."


def _changes(old: LoadedCell, new: LoadedCell) -> dict[str, tuple[JSON, JSON]]:
    """Keys of the configuration whose values differ, with both values."""
    was, now = _flat(old.run.config), _flat(new.run.config)
    return {k: (was.get(k), now.get(k)) for k in {**was, **now} if was.get(k) != now.get(k)}


def _flat(config: Config) -> dict[str, JSON]:
    fields = config.plain().items()
    parts = ({f"{k}.{i}": j for i, j in v.items()} if isinstance(v, dict) else {k: v} for k, v in fields)
    return {key: value for part in parts for key, value in part.items()}


def _listed(changes: Mapping[str, tuple[JSON, JSON]]) -> str:
    """Changes as ``solver.nfe 4 -> 5``; hashes are shortened."""
    short = {k: tuple(str(v)[:12] if k.endswith("sha256") else str(v) for v in both) for k, both in changes.items()}
    return ", ".join(f"{key} {was} -> {now}" for key, (was, now) in short.items())


def _by_identity(folder: Path, filters: Mapping[str, str]) -> dict[str, LoadedCell]:
    """The cells of a store that have images. Raises ConfigError if there are none."""
    cells = {identity(cell): cell for cell in load_cells(folder, **filters) if cell.images}
    if not cells:
        raise ConfigError(f"no records in {folder}; name a results folder, such as results/runs")
    return cells
