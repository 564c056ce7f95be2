"""Which records bear on a claim of the paper, and why others do not. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from invbench.analysis.comparable import by_measurement, most_default
from invbench.analysis.tables import absent
from invbench.metric import Metric, SetMetric
from invbench.paper import published
from invbench.paper.claims import Claim
from invbench.paper.published import CALLS, SOLVERS
from invbench.settings import WRITTEN
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell

DIFFERS, NOT_RUN = "protocol differs", "not run"
FREE = {"weights"}  # options that may be written by hand

Metrics = Mapping[str, type[Metric]]


class Gap(NamedTuple):
    """Why a method cannot be judged, not run or by another protocol, and what is to be run (again)."""

    verdict: str
    method: str
    reason: str
    again: tuple[str, ...] = ()


def evidence(
    claim: Claim, cells: Sequence[LoadedCell], metrics: Metrics
) -> tuple[dict[str, LoadedCell], dict[str, Gap]]:
    """A cell of each method that has the metric, all of the same measurements, and why there is none of the others."""
    chosen, gaps = _choose(claim, cells)
    gaps |= {m: gap for m, cell in chosen.items() if (gap := _unscored(m, cell, claim, metrics))}
    return {m: cell for m, cell in chosen.items() if m not in gaps}, gaps


def departures(cell: LoadedCell, claim: Claim, method: str) -> list[str]:
    """In what a cell departs from the paper's protocol."""
    run, printed = cell.run, float(claim.printed[method][1])
    nfe = None if claim.metric == CALLS else printed
    told = published.departures(cell, claim.noise, claim.benchmark, claim.prior, nfe)
    hand = [key for key, origin in run.origins.items() if origin == WRITTEN and key not in FREE]
    told += [f"{', '.join(hand)} written by hand"] if hand else []
    steps = run.training.step if run.training else math.inf
    return told + ([f"trained for {steps} iterations of {claim.iterations}"] if steps < claim.iterations else [])


def _choose(claim: Claim, cells: Sequence[LoadedCell]) -> tuple[dict[str, LoadedCell], dict[str, Gap]]:
    """A cell of each method, all of the same measurements, and why there is none of the others."""
    place = [c for c in cells if _name(c, "benchmark") == claim.benchmark and _name(c, "task") == claim.task]
    known = {m: [c for c in place if _name(c, "solver") == SOLVERS[m]] for m in claim.methods}
    sizes = {c.id: len(c.images) for own in known.values() for c in own}
    told = {c.id: departures(c, claim, m) for m, own in known.items() for c in own if sizes[c.id]}
    groups = by_measurement([c for own in known.values() for c in own if told.get(c.id) == []])
    best = max(groups, key=lambda g: (len({_name(c, "solver") for c in g}), sum(sizes[c.id] for c in g)), default=[])
    chosen: dict[str, LoadedCell] = {}
    gaps: dict[str, Gap] = {}
    for method, own in known.items():
        if mine := [c for c in best if _name(c, "solver") == SOLVERS[method]]:
            chosen[method] = max(mine, key=most_default)
        else:
            gaps[method] = _gap(method, own, told)
    return chosen, gaps


def _gap(method: str, own: Sequence[LoadedCell], told: Mapping[str, list[str]]) -> Gap:
    """Why none of a method's cells is taken."""
    if reasons := [told[c.id] or ["other measurements"] for c in own if c.id in told]:
        fewest = min(reasons, key=len)
        return Gap(DIFFERS, method, ", ".join(fewest), (method,))
    skipped = [c.run.reason for c in own if c.run.status == "skipped"]
    return Gap(NOT_RUN, method, f"skipped, {skipped[0]}") if skipped else Gap(NOT_RUN, method, "", (method,))


def _unscored(method: str, cell: LoadedCell, claim: Claim, metrics: Metrics) -> Gap | None:
    """Why the metric of a cell cannot be used; None if it can."""
    protocol, family = protocol_of(claim, metrics), claim.metric.partition("_")[0]
    rows = [r for r in cell.rows if r.protocol == protocol and r.sample != MEAN]
    sets = [s for s in cell.sets if s.protocol == protocol]
    if not rows and not sets:
        made = {(r.metric, r.protocol) for r in cell.rows} | {(s.metric, s.protocol) for s in cell.sets}
        others = sorted(other for metric, other in made if metric.partition("_")[0] == family)
        if others:
            return Gap(DIFFERS, method, f"{', '.join(others)}, not {protocol}")
        return Gap(NOT_RUN, method, f"{claim.metric} {absent(claim.metric, metrics)}")
    if bad := len({r.image for r in rows if math.isnan(r.value)}) or sum(math.isnan(s.value) for s in sets):
        return Gap(DIFFERS, method, f"{bad} of {len(cell.images)} images have no score (nan)")
    if of_sets(claim, metrics) and claim.images not in (0, sets[0].n):
        reason = f"{claim.metric} of {sets[0].n} images, of {claim.images} in the paper; its bias depends on that"
        return Gap(DIFFERS, method, reason, (method,))
    return None


def protocol_of(claim: Claim, metrics: Metrics) -> str:
    """The protocol of the claim's metric, which seconds and calls have by their own name."""
    return metrics[claim.metric].protocol if claim.metric in metrics else claim.metric


def of_sets(claim: Claim, metrics: Metrics) -> bool:
    """Whether the claim is about a score of all images as a set."""
    return claim.metric in metrics and issubclass(metrics[claim.metric], SetMetric)


def _name(cell: LoadedCell, kind: str) -> str:
    return str(getattr(cell.run.config, kind).name)
