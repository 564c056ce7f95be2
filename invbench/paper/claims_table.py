"""The paper's claims as a table, with the commands that make missing records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from invbench.analysis.table import Table
from invbench.paper.claim import Claim
from invbench.paper.evidence import NOT_RUN, Metrics
from invbench.paper.layout import run_command
from invbench.paper.outcomes import VERDICTS, Finding
from invbench.paper.records import CALLS
from invbench.paper.verdicts import SECONDS, judge
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs

PROXY = "proxy, protocol differs"


class Judged(NamedTuple):
    """A claim, and the records about it."""

    claim: Claim
    finding: Finding


def claims_table(
    claims: Sequence[Claim],
    cells: Sequence[LoadedCell],
    metrics: Metrics,
    brief: bool = False,
    costs: Costs = MappingProxyType({}),
) -> Table:
    """A row for each claim; ``brief`` leaves out printed cells that were not run.

    Notes quote the paper, count verdicts and give the commands for what is missing.
    """
    judged = [Judged(claim, judge(claim, cells, metrics, costs)) for claim in claims]
    listed = [each for each in judged if not (brief and _not_run(each))]
    notes = [*_counts(judged, len(judged) - len(listed)), *_stand_in_notes(claims), *_details(listed)]
    notes += [f"Not recorded here; made by: {command}" for command in commands(judged)]
    frame = pd.DataFrame([_line(c, f) for c, f in listed])
    place = f", looked for on {claims[0].benchmark}" if _of_proxies(claims) else ""
    return Table(f"Claims of the {claims[0].layout.title} paper{place}", frame, tuple(notes))


def _not_run(judged: Judged) -> bool:
    """Whether it is a printed cell without records."""
    return judged.claim.kind == "cell" and judged.finding.verdict == NOT_RUN


def _counts(judged: Sequence[Judged], hidden: int) -> Iterator[str]:
    """The number of claims with each verdict, those on quality, seconds and network calls apart."""
    kind = "proxies of claims" if _of_proxies([each.claim for each in judged]) else "claims"
    about = [_subject(each.claim) for each in judged]
    for subject in dict.fromkeys(about):
        counts = Counter(each.finding.verdict for each, own in zip(judged, about, strict=True) if own == subject)
        verdicts = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v])
        yield f"{counts.total()} {kind} on {subject}: {verdicts}."
    yield "'invbench claims --help' defines the verdicts."
    if hidden:
        yield f"{hidden} printed cells without records are left out; 'invbench claims cell' lists them."


def _subject(claim: Claim) -> str:
    """What a claim is about."""
    return {CALLS: "network calls", SECONDS: "seconds"}.get(claim.metric, "quality")


def _stand_in_notes(claims: Sequence[Claim]) -> Iterator[str]:
    """A note that these are proxies of the paper's claims, or that proxies exist."""
    if _of_proxies(claims):
        yield f"Every verdict is of a {PROXY}: {_stand_ins(claims)}."
    benchmarks = sorted({c.proxy_on for c in claims if c.proxy_on and not c.is_proxy})
    if benchmarks:
        yield f"Some have a proxy that needs no download: invbench claims --benchmark {' or '.join(benchmarks)}"


def _details(listed: Sequence[Judged]) -> Iterator[str]:
    """Reasons of verdicts, and the paper's words."""
    yield from (f"{claim.id}: {finding.reason}" for claim, finding in listed if finding.reason)
    quoted = {claim.id.partition("/")[0]: claim for claim, _ in listed if claim.says}
    yield from (f"{key} ({claim.where}): {claim.says}" for key, claim in quoted.items())


def commands(judged: Sequence[Judged]) -> list[str]:
    """The commands that record missing methods, with one command for tasks that miss the same ones, and trainings."""
    missing: dict[tuple[str, str, str], dict[str, None]] = {}
    trainings: dict[str, None] = {}
    for claim, finding in judged:
        for contender in (claim.contenders[method] for method in finding.missing):
            if contender.training:
                trainings[contender.training.command(f"benchmark={claim.benchmark} task={claim.task}")] = None
                continue
            calls = f" solver.nfe={contender.nfe}" if contender.nfe else ""
            place = claim.benchmark, f"{claim.layout.noise_options(claim.table)}{calls}", claim.task
            missing.setdefault(place, {})[contender.solver] = None
    tasks: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (benchmark, options, task), solvers in missing.items():
        tasks.setdefault((benchmark, options, tuple(sorted(solvers))), []).append(task)
    runs = [run_command(benchmark, solvers, t, options) for (benchmark, options, solvers), t in tasks.items()]
    return [*runs, *(f"{training}, and the command that it prints" for training in trainings)]


def stated(claim: Claim) -> str:
    """The claim in words, with the paper's numbers."""
    values = {method: claim.printed[method][0] for method in claim.methods}
    if claim.kind == "cell":
        return values[claim.methods[0]]
    if claim.kind == "margin":
        ((ahead, behind),) = claim.pairs
        return f"{ahead} {values[ahead]} ahead of {behind} {values[behind]} by {claim.value}"
    if claim.kind == "ratio":
        ((fast, slow),) = claim.pairs
        return f"{slow} {values[slow]} to {fast} {values[fast]}, at least {claim.bound:g}x"
    return _order(claim, values)


def _order(claim: Claim, values: Mapping[str, str]) -> str:
    """The leading methods of an order, and the closest of those behind them."""
    last = claim.pairs[-1][0]
    rest = sorted((b for a, b in claim.pairs if a == last), key=lambda m: float(values[m]))
    nearest = rest[-1] if claim.layout.better(claim.column) == "higher" else rest[0]
    first = ", ".join(f"{m} {values[m]}" for m in claim.methods if m not in rest)
    others = f" and {len(rest) - 1} others" if len(rest) > 1 else ""
    return f"{first} before {nearest} {values[nearest]}{others}"


def _line(claim: Claim, finding: Finding) -> dict[str, str]:
    metric, protocol = (f" ({claim.metric})", f" ({PROXY})") if claim.is_proxy else ("", "")
    return {
        "claim": claim.id,
        "where": claim.where,
        "paper": stated(claim),
        "ours": f"{finding.ours}{metric}",
        "n": str(finding.n) if finding.n else "-",
        "verdict": f"{finding.verdict}{protocol}",
    }


def _of_proxies(claims: Sequence[Claim]) -> bool:
    return any(c.is_proxy for c in claims)


def _stand_ins(claims: Sequence[Claim]) -> str:
    """What a proxy replaces: images, prior, weights, metrics."""
    pairs = [(c, c.original) for c in claims if c.original]
    metrics = sorted({f"{c.metric} for {c.column}" for c, paper in pairs if c.metric != paper.metric})
    tasks = sorted({f"{c.task} for {paper.task}" for c, paper in pairs if c.task != paper.task})
    return ", ".join([*metrics, *tasks, "other images and sizes, another prior, other weights"])
