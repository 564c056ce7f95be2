"""Paired differences: of two stores, for regression tests, and of two solvers. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invbench.analysis.comparable import LAST_BITS, label, measurement_key, sameness, shared_images, solver_of, usual
from invbench.analysis.stats import (
    SIGNIFICANT,
    bca_interval,
    differences,
    holm,
    images_needed,
    mean_difference,
    sign_flip_p,
    tellable,
)
from invbench.analysis.table import Table
from invbench.errors import ConfigError, unknown
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.schema import JSON, Config

RULE = re.compile(r"(\w+)(<|>|!=)(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)(x?)")
ALIASES = {"nfe": "nfe_forward"}


@dataclass(frozen=True)
class Rule:
    """A bound on a mean difference, new less old, or with ``x`` on the ratio of medians, new over old."""

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
class Pair:
    """One metric of two cells, on the images that both have a value of; values per image, means over samples.

    ``nan`` is how many other images both have, and ``lost`` for how many of these the old cell has a value.
    """

    metric: str
    old: NDArray[np.float64]
    new: NDArray[np.float64]
    nan: int = 0
    lost: int = 0

    @classmethod
    def of(cls, metric: str, old: NDArray[np.float64], new: NDArray[np.float64]) -> Pair:
        """From values that may be NaN."""
        without, good = np.isnan(old), ~(np.isnan(old) | np.isnan(new))
        return cls(metric, old[good], new[good], int((~good).sum()), int((np.isnan(new) & ~without).sum()))

    @property
    def n(self) -> str:
        """How many images, and how many were left out."""
        return f"{len(self.old)} ({self.nan} nan)" if self.nan else str(len(self.old))

    @property
    def differences(self) -> NDArray[np.float64]:
        """New less old, per image; 0 where both are infinite alike."""
        return differences(self.new, self.old)

    @property
    def difference(self) -> float:
        """Mean of new less old."""
        return mean_difference(self.differences)

    @property
    def ratio(self) -> float:
        """Median of the new over that of the old."""
        old, new = float(np.median(self.old)), float(np.median(self.new))
        return 1.0 if new == old else new / old if old else float("inf")


def pairs(old: LoadedCell, new: LoadedCell, protocol: str = "", across_machines: bool = False) -> list[Pair]:
    """Metrics that both cells have in the same protocol, or in this one alone.

    Raises ConfigError where an image was measured otherwise; last bits may differ, as on different processors.
    ``across_machines`` allows all that old records, which have no fingerprints, cannot exclude.
    """
    a, b = (per_image(cell, protocol) for cell in (old, new))
    merged = a.merge(b, on=["metric", "protocol", "image"], suffixes=("_old", "_new"))
    measurements = sameness([old, new])
    if measurements == "different" or (measurements == "unknown" and not across_machines):
        raise ConfigError(
            f"{_name(new)}: the measurements differ; make both stores with the same benchmark version. Of records "
            "without fingerprints only equal bytes are the same: make them on one machine, or compare with "
            "--across-machines"
        )
    found = [
        Pair.of(str(metric), rows["value_old"].to_numpy(float), rows["value_new"].to_numpy(float))
        for (metric, _), rows in merged.groupby(["metric", "protocol"], sort=False)
    ]
    for metric in sorted({s.metric for s in new.sets}):
        images = shared_images([old, new], metric)
        was = {s.protocol: s.value for s in old.set_scores(images) if s.metric == metric}
        now = {s.protocol: s.value for s in new.set_scores(images) if s.metric == metric}
        found += [
            Pair.of(metric, np.array([was[p]]), np.array([now[p]])) for p in now if p in was and protocol in ("", p)
        ]
    return found


def per_image(cell: LoadedCell, protocol: str = "") -> pd.DataFrame:
    """Scores by metric, protocol and image (value).

    Means over samples; of scores of all samples together, the score.
    """
    wanted = cell.frame[cell.frame["protocol"] == protocol] if protocol else cell.frame
    single = wanted["metric"][wanted["sample"] != MEAN].unique()
    kept = wanted[(wanted["sample"] != MEAN) | ~wanted["metric"].isin(single)]
    keys = ["metric", "protocol", "image"]
    means = kept.groupby(keys, as_index=False, observed=True)["value"].mean()
    return means.assign(**{key: means[key].astype(object) for key in keys})


def compare(
    base: Path, new: Path, rules: Sequence[Rule], wanted: Mapping[str, str], across_machines: bool = False
) -> tuple[Table, bool]:
    """What changed from one store to another, and whether a rule is broken or a cell is gone.

    Raises ConfigError where a store has no cells, a rule names a metric that none of them has, or measurements differ
    in a bit; ``across_machines`` allows the last.
    """
    old, now = ({identity(c): c for c in _loaded(folder, wanted)} for folder in (base, new))
    added = [cell for key, cell in now.items() if key not in old]
    lines: list[dict[str, str]] = []
    apart = False
    broken: list[str] = [_missing(cell, added, new) for key, cell in old.items() if key not in now]
    seen: set[str] = set()
    total = 0
    for key, cell in now.items():
        if key not in old:
            continue
        found = pairs(old[key], cell, across_machines=across_machines)
        apart |= sameness([old[key], cell]) == "last bits"
        broken += _lost(old[key], cell, found, rules)
        seen |= _measured(old[key])
        for pair in found:
            failed = [rule for rule in rules if rule.metric == pair.metric and len(pair.old) and rule.broken(pair)]
            broken += [f"{_name(cell)}: {rule} is broken, {_changed(pair)}" for rule in failed]
            total += 1
            if failed or pair.nan or (pair.new != pair.old).any():
                told = "FAIL" if failed or pair.lost else ""
                lines.append({"cell": _name(cell), **_line(pair, "old", "new"), "": told})
    if unknown := sorted({rule.metric for rule in rules} - seen):
        raise ConfigError(
            f"--fail-on names {', '.join(unknown)}, which no cell of {base} has; these are: {sorted(seen)}"
        )
    notes = [
        f"{total - len(lines)} of {total} scores are the same, to the last bit, and not listed.",
        f"{new} less {base}; mean paired differences with 95 % BCa intervals over images; ratios of medians.",
        *([LAST_BITS] if apart else []),
        *_other_parts([(old[key], cell) for key, cell in now.items() if key in old]),
        *(["Only in the new store: " + ", ".join(map(_name, added)) + "."] if added else []),
        *(f"FAIL {text}" for text in broken),
    ]
    return Table(f"{len(lines)} scores of {len(now)} cells changed", pd.DataFrame(lines), tuple(notes)), bool(broken)


def _lost(old: LoadedCell, new: LoadedCell, found: Sequence[Pair], rules: Sequence[Rule]) -> list[str]:
    """What the new cell has no value of though the old one has: images, metrics that a rule names, scores of images."""
    told = []
    if gone := sorted(set(old.images) - set(new.images)):
        told.append(f"{len(gone)} of {len(old.images)} images are missing, {gone[0]} for one; run as many")
    there = {pair.metric for pair in found} | (_measured(new) if old.images != new.images else set())
    told += [
        f"{m} is missing, or of another protocol" for m in sorted({r.metric for r in rules} & _measured(old) - there)
    ]
    for pair in found:
        if pair.lost:
            told.append(f"{pair.metric} has no value (nan) for {pair.lost} image{'s'[: pair.lost > 1]} that had one")
    return [f"{_name(new)}: {text}" for text in told]


def _measured(cell: LoadedCell) -> set[str]:
    """The metrics that a cell has."""
    return {r.metric for r in cell.rows} | {s.metric for s in cell.sets}


def versus(cells: Sequence[LoadedCell], first: str, second: str, higher: Mapping[str, bool]) -> Table:
    """Two solvers on the same images of every measurement that both have, with Holm's correction over all rows.

    ``higher`` says of each metric whether higher is better. Raises ConfigError where nothing pairs them.
    """
    found: list[tuple[str, Pair]] = []
    apart = False
    for a, b in rivals(cells, first, second):
        apart |= sameness([a, b]) == "last bits"
        found += [(_place(a), pair) for pair in pairs(b, a) if pair.metric in higher and len(pair.old) > 1]
    if not found:
        known = {solver_of(cell) for cell in cells}
        for name in (first, second):
            if name not in known:
                raise ConfigError(unknown("recorded solver", name, known))
        raise ConfigError(f"{first} and {second} have no measured images in common; run them on one task")
    ps = holm([sign_flip_p(pair.differences) for _, pair in found])
    lines = []
    for (place, pair), p in zip(found, ps, strict=True):
        better = (pair.difference > 0) == higher[pair.metric]
        verdict = "tie" if p >= SIGNIFICANT else (first if better else second)
        few = not tellable(len(pair.old), len(found))
        needed = images_needed(pair.differences)
        lines.append(
            {
                "task": place,
                **_line(pair, second, first),
                "p": f"{p:.3g}",
                "better": "too few images" if few else verdict,
                "images needed": "-" if few else f"{needed:g}",
            }
        )
    notes = (
        f"{first} less {second}, on the images both have; 95 % BCa intervals; p by sign flips, Holm's correction over "
        f"{len(lines)} rows; images needed to tell them apart with probability 0.8 at 5 %.",
        *([LAST_BITS] if apart else []),
    )
    return Table(f"{first} against {second}", pd.DataFrame(lines), notes)


def rivals(cells: Sequence[LoadedCell], first: str, second: str) -> Iterable[tuple[LoadedCell, LoadedCell]]:
    """Cells of the two solvers on the same measurements; of several settings, the most usual."""
    by: dict[tuple[str, str], LoadedCell] = {}
    for cell in sorted(cells, key=usual):
        by[measurement_key(cell.run.config), solver_of(cell)] = cell
    for (key, solver), cell in by.items():
        if solver == first and (key, second) in by:
            yield cell, by[key, second]


def identity(cell: LoadedCell) -> str:
    """What makes a cell the same experiment in two stores: its configuration without hashes and versions."""
    config = {k: v for k, v in cell.run.config.plain().items() if k != "plugins"}
    config = {k: {i: j for i, j in v.items() if i != "sha256"} if isinstance(v, dict) else v for k, v in config.items()}
    return json.dumps(config, sort_keys=True)


def _missing(cell: LoadedCell, added: Sequence[LoadedCell], new: Path) -> str:
    """What to do about a cell that the new store lacks; the nearest one there tells which option was changed."""
    names = {f"{part}.name" for part in ("benchmark", "task", "solver")}
    rivals = [changes for other in added if names.isdisjoint(changes := _changes(cell, other))]
    nearest = min(rivals, key=len, default={})
    if not nearest:
        return (
            f"{_name(cell)} is missing from {new}; run it there, or make the base anew if it was taken out on purpose"
        )
    return (
        f"{_name(cell)} is missing from {new}, which has it with another configuration: {_listed(nearest)}; "
        "make the base anew if the change is wanted"
    )


def _other_parts(both: Sequence[tuple[LoadedCell, LoadedCell]]) -> list[str]:
    """A line for each change of weights or plugin versions, with the cells that it concerns."""
    cells: dict[str, list[str]] = {}
    for old, new in both:
        if changes := _changes(old, new):
            cells.setdefault(_listed(changes), []).append(_name(new))
    return [
        f"Other weights or versions: {text}, in {len(names)} cells: {names[0]}" + ", ..." * (len(names) > 1) + "."
        for text, names in cells.items()
    ]


def _changes(old: LoadedCell, new: LoadedCell) -> dict[str, tuple[JSON, JSON]]:
    """Keys of the configuration whose values differ, with both values."""
    was, now = _flat(old.run.config), _flat(new.run.config)
    return {k: (was.get(k), now.get(k)) for k in {**was, **now} if was.get(k) != now.get(k)}


def _flat(config: Config) -> dict[str, JSON]:
    fields = config.plain().items()
    parts = ({f"{k}.{i}": j for i, j in v.items()} if isinstance(v, dict) else {k: v} for k, v in fields)
    return {key: value for part in parts for key, value in part.items()}


def _listed(changes: Mapping[str, tuple[JSON, JSON]]) -> str:
    """``solver.nfe 4 -> 5``; of hashes, the start."""
    short = {k: tuple(str(v)[:12] if k.endswith("sha256") else str(v) for v in both) for k, both in changes.items()}
    return ", ".join(f"{key} {was} -> {now}" for key, (was, now) in short.items())


def _loaded(folder: Path, wanted: Mapping[str, str]) -> list[LoadedCell]:
    cells = [c for c in load_cells(folder, **wanted) if c.images]
    if not cells:
        raise ConfigError(f"no records in {folder}; name a results folder, such as results/runs")
    return cells


def _line(pair: Pair, old: str, new: str) -> dict[str, str]:
    if not len(pair.old):
        return {"metric": pair.metric, "n": pair.n, old: "nan", new: "nan", "difference": "nan", "ratio": "nan"}
    low, high = bca_interval(pair.differences)
    wide = low != high and len(pair.old) > 1
    interval = f" [{low:+.3g}, {high:+.3g}]" if wide else ""
    return {
        "metric": pair.metric,
        "n": pair.n,
        old: f"{pair.old.mean():.4g}",
        new: f"{pair.new.mean():.4g}",
        "difference": f"{pair.difference:+.3g}{interval}",
        "ratio": f"{pair.ratio:.3g}",
    }


def _changed(pair: Pair) -> str:
    return f"from {pair.old.mean():.4g} to {pair.new.mean():.4g}"


def _place(cell: LoadedCell) -> str:
    config = cell.run.config
    return f"{config.benchmark.name}/{config.task.name}, seed {config.seed}"


def _name(cell: LoadedCell) -> str:
    return f"{_place(cell)}, {label(cell, [cell])}"
