"""The records that are comparable with a claim of the paper, and why others are not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from invbench.analysis.comparable import by_measurement, most_default, solver_of
from invbench.analysis.tables import absent
from invbench.metric import Metric, SetMetric
from invbench.paper.claim import Claim
from invbench.paper.records import CALLS, Protocol, is_row
from invbench.settings import WRITTEN
from invbench.store.files import MEAN, Record
from invbench.store.reader import LoadedCell
from invbench.store.schema import Run, Score

DIFFERS, NOT_RUN = "protocol differs", "not run"
FREE = {"weights", "nfe"}  # options that may be set on the command line; calls are compared as counted

Metrics = Mapping[str, type[Metric]]


class MissingResult(NamedTuple):
    """Why a method cannot be judged (not run, or by another protocol), and whether to run it (again)."""

    verdict: str
    method: str
    reason: str
    again: tuple[str, ...] = ()


class Evidence(NamedTuple):
    """A cell for each method that has the metric, all on the same measurements, and why the others have none."""

    cells: dict[str, LoadedCell]
    missing: dict[str, MissingResult]


def evidence(claim: Claim, cells: Sequence[LoadedCell], metrics: Metrics) -> Evidence:
    """The cells that are comparable with the claim."""
    chosen = _choose(claim, cells)
    missing = {**chosen.missing}
    for method, cell in chosen.cells.items():
        if unscored := _unscored(method, cell, claim, metrics):
            missing[method] = unscored
    return Evidence({m: cell for m, cell in chosen.cells.items() if m not in missing}, missing)


def mismatches(cell: LoadedCell, claim: Claim, method: str) -> list[str]:
    """How a cell differs from the paper's protocol."""
    run, nfe = cell.run, claim.printed[method][1]
    calls = float(nfe) if nfe and claim.metric != CALLS else None
    protocol = Protocol(claim.noise, claim.benchmark, claim.prior, claim.layout.assumed, calls)
    texts = protocol.mismatches(cell)
    contender = claim.contenders[method]
    written = [key for key, origin in run.origins.items() if origin == WRITTEN and key not in FREE]
    if written and not contender.training:  # which has options of its own
        texts.append(f"{', '.join(written)} set on the command line")
    return texts + _shorter(run, claim.iterations.get(contender.solver, 0))


def _shorter(run: Run, iterations: int) -> list[str]:
    """A mismatch if a network was trained for fewer iterations; the authors' own weights have no metadata."""
    steps = run.training.step if run.training else None
    return [f"trained for {steps} iterations of {iterations}"] if steps is not None and steps < iterations else []


def _choose(claim: Claim, cells: Sequence[LoadedCell]) -> Evidence:
    """A cell for each method, all on the same measurements, and why the others have none."""
    recorded = {method: Recorded(claim, method, _cells_of(claim, method, cells)) for method in claim.methods}
    best = {cell.id for cell in _best_group([cell for own in recorded.values() for cell in own.fitting])}
    chosen = Evidence({}, {})
    for method, own in recorded.items():
        if comparable := [cell for cell in own.fitting if cell.id in best]:
            chosen.cells[method] = max(comparable, key=most_default)
        else:
            chosen.missing[method] = own.missing
    return chosen


@dataclass(frozen=True)
class Recorded:
    """The cells of a method."""

    claim: Claim
    method: str
    cells: Sequence[LoadedCell]

    @cached_property
    def differences(self) -> dict[str, list[str]]:
        """How each cell with images differs from the paper's protocol, by its id."""
        return {cell.id: mismatches(cell, self.claim, self.method) for cell in self.cells if cell.images}

    @property
    def fitting(self) -> list[LoadedCell]:
        """The cells that do not differ."""
        return [cell for cell in self.cells if self.differences.get(cell.id) == []]

    @property
    def missing(self) -> MissingResult:
        """Why none of the cells is used."""
        if self.differences:
            fewest = min(self.differences.values(), key=len) or ["other measurements"]
            return MissingResult(DIFFERS, self.method, ", ".join(fewest), (self.method,))
        if skipped := [c.run.reason for c in self.cells if c.run.status == "skipped"]:
            return MissingResult(NOT_RUN, self.method, f"skipped, {skipped[0]}")
        return MissingResult(NOT_RUN, self.method, "", (self.method,))


def _cells_of(claim: Claim, method: str, cells: Sequence[LoadedCell]) -> list[LoadedCell]:
    """The cells of a method, and of its training, on the claim's benchmark and task."""
    contender = claim.contenders[method]
    names = claim.benchmark, claim.task, contender.solver
    configs = [(cell, cell.run.config) for cell in cells]
    own = [cell for cell, c in configs if (c.benchmark.name, c.task.name, c.solver.name) == names]
    if contender.training:
        return [cell for cell in own if is_row(cell, contender.training)]
    others = claim.layout.trainings()
    return [cell for cell in own if not any(is_row(cell, row) for row in others)]


def _best_group(cells: Sequence[LoadedCell]) -> list[LoadedCell]:
    """The group of cells on the same measurements with the most solvers, then the most images."""

    def size(group: Sequence[LoadedCell]) -> tuple[int, int]:
        return len({solver_of(cell) for cell in group}), sum(len(cell.images) for cell in group)

    return max(by_measurement(cells), key=size, default=[])


def _unscored(method: str, cell: LoadedCell, claim: Claim, metrics: Metrics) -> MissingResult | None:
    """Why the metric of a cell cannot be used; None if it can."""
    protocol = protocol_of(claim, metrics)
    rows = [r for r in cell.rows if r.protocol == protocol and r.sample != MEAN]
    sets = [s for s in cell.sets if s.protocol == protocol]
    if not rows and not sets:
        return _without_score(method, cell, claim, metrics)
    if bad := _without_number(rows, sets):
        return MissingResult(DIFFERS, method, f"{bad} of {len(cell.images)} images have no score (nan)")
    return _of_another_set(method, sets[0], claim) if of_sets(claim, metrics) else None


def _without_number(rows: Sequence[Record], sets: Sequence[Score]) -> int:
    """The number of images, or else of sets, with score nan."""
    return len({r.image for r in rows if math.isnan(r.value)}) or sum(math.isnan(s.value) for s in sets)


def _of_another_set(method: str, score: Score, claim: Claim) -> MissingResult | None:
    """A mismatch if a set does not have the paper's number of images."""
    if claim.images in (0, score.n):
        return None
    reason = f"{claim.metric} of {score.n} images, of {claim.images} in the paper; its bias depends on that"
    return MissingResult(DIFFERS, method, reason, (method,))


def _without_score(method: str, cell: LoadedCell, claim: Claim, metrics: Metrics) -> MissingResult:
    """A text that a cell has another protocol of the metric, or how to add the metric."""
    family = claim.metric.partition("_")[0]
    scored = [(r.metric, r.protocol) for r in cell.rows] + [(s.metric, s.protocol) for s in cell.sets]
    others = {protocol for metric, protocol in scored if metric.partition("_")[0] == family}
    if others:
        return MissingResult(DIFFERS, method, f"{', '.join(sorted(others))}, not {protocol_of(claim, metrics)}")
    return MissingResult(NOT_RUN, method, f"{claim.metric} {absent(claim.metric, metrics, [cell])}")


def protocol_of(claim: Claim, metrics: Metrics) -> str:
    """The protocol of the claim's metric; for seconds and calls it is the name."""
    return metrics[claim.metric].protocol if claim.metric in metrics else claim.metric


def of_sets(claim: Claim, metrics: Metrics) -> bool:
    """Whether the claim is about a score of all images as a set."""
    return claim.metric in metrics and issubclass(metrics[claim.metric], SetMetric)
