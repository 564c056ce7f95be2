"""The paper's claims as a table, with what makes the records that are missing. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType

import pandas as pd

from invbench.analysis.table import Table
from invbench.paper.claims import Claim
from invbench.paper.evidence import NOT_RUN, Metrics
from invbench.paper.published import HIGHER, METRICS, NOISE, run_command
from invbench.paper.verdicts import VERDICTS, Finding, judge
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs

TWIN = "twin, protocol differs"


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
    found = [(claim, judge(claim, cells, metrics, costs)) for claim in claims]
    shown = [(c, f) for c, f in found if not (brief and c.kind == "cell" and f.verdict == NOT_RUN)]
    counts = Counter(f.verdict for _, f in found)
    told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v])
    kind = "twins of claims" if _twins(claims) else "claims"
    notes = [f"{len(found)} {kind}: {told}. 'invbench claims --help' defines the verdicts."]
    if hidden := len(found) - len(shown):
        notes.append(f"{hidden} printed cells without records are left out; 'invbench claims cell' lists them.")
    notes += [f"Every verdict is of a {TWIN}: {_stand_ins(claims)}."] if _twins(claims) else []
    if there := sorted({c.twin_on for c in claims if c.twin_on and not c.twin}):
        notes.append(f"Some have a twin that needs no download: invbench claims --benchmark {' or '.join(there)}")
    notes += [f"{c.id}: {f.reason}" for c, f in shown if f.reason]
    notes += [f"{key} ({c.where}): {c.says}" for key, c in _quoted(shown).items()]
    notes += [f"Not recorded here; made by: {command}" for command in commands(found)]
    frame = pd.DataFrame([_line(c, f) for c, f in shown])
    place = f", looked for on {claims[0].benchmark}" if _twins(claims) else ""
    return Table(f"Claims of the DAVI paper{place}", frame, tuple(notes))


def commands(found: Sequence[tuple[Claim, Finding]]) -> list[str]:
    """What records the methods that are missing, tasks with the same ones together."""
    missing: dict[tuple[str, int, str], dict[str, None]] = {}
    for claim, finding in found:
        place = claim.benchmark, claim.table if claim.table in NOISE else 0, claim.task
        missing.setdefault(place, {}).update({claim.solvers[m]: None for m in finding.missing})
    tasks: dict[tuple[str, int, tuple[str, ...]], list[str]] = {}
    for (benchmark, table, task), solvers in missing.items():
        if solvers:
            tasks.setdefault((benchmark, table, tuple(sorted(solvers))), []).append(task)
    return [run_command(table, benchmark, solvers, t) for (benchmark, table, solvers), t in tasks.items()]


def stated(claim: Claim) -> str:
    """What the paper says of the claim's methods, with its numbers."""
    values = {method: claim.printed[method][0] for method in claim.methods}
    if claim.kind == "cell":
        return values[claim.methods[0]]
    if claim.kind == "ratio":
        ((fast, slow),) = claim.pairs
        return f"{slow} {values[slow]} to {fast} {values[fast]}, at least {claim.bound:g}x"
    last = claim.pairs[-1][0]
    rest = sorted((b for a, b in claim.pairs if a == last), key=lambda m: float(values[m]))
    nearest = rest[-1] if claim.column in HIGHER else rest[0]
    first = ", ".join(f"{m} {values[m]}" for m in claim.methods if m not in rest)
    others = f" and {len(rest) - 1} others" if len(rest) > 1 else ""
    return f"{first} before {nearest} {values[nearest]}{others}"


def _line(claim: Claim, finding: Finding) -> dict[str, str]:
    return {
        "claim": claim.id,
        "where": claim.where,
        "paper": stated(claim),
        "ours": finding.ours + (f" ({claim.metric})" if claim.twin else ""),
        "n": str(finding.n) if finding.n else "-",
        "verdict": finding.verdict + (f" ({TWIN})" if claim.twin else ""),
    }


def _twins(claims: Sequence[Claim]) -> bool:
    return any(c.twin for c in claims)


def _stand_ins(claims: Sequence[Claim]) -> str:
    """What a twin has in place of the paper's."""
    metrics = sorted({f"{c.metric} for {c.column}" for c in claims if c.metric != METRICS[c.column]})
    tasks = sorted({f"{c.task} for {other}" for c in claims if (other := c.id.split("/")[2]) != c.task})
    return ", ".join([*metrics, *tasks, "other images and sizes, another prior, other weights"])


def _quoted(shown: Sequence[tuple[Claim, Finding]]) -> dict[str, Claim]:
    return {c.id.partition("/")[0]: c for c, _ in shown if c.says}
