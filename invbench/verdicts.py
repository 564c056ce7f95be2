"""What records say about the paper's claims. No torch.

A record bears on a claim only if benchmark, task, noise, data set, prior and NFE (to 1 %) are those of the paper, no option
of the solver was written by hand (weights may be), and a network trained here was trained for as many iterations. Verdicts:

- ``reproduced``: a cell of a per-image metric, of as many images as the paper's, whose 95 % BCa interval over images
  contains the printed value, with its rounding. An order that holds against every method named, p < 0.05 each by sign
  flips of the paired differences on the same images (all must hold, so nothing is corrected); of a set's score, where the
  95 % intervals do not overlap. A ratio of which even the lowest of the images is at or above the bound.
- ``within interval``: seen, but not more. A cell inside the interval with fewer images, of a set's score, whose bootstrap
  says nothing about bias, or with a caveat. An order that our means show, though not beyond chance. A ratio that medians
  show and single images do not, or that was timed on one batch.
- ``undecided``: an order or a ratio that means or medians do not show, which chance explains; a cell of one image.
- ``contradicted``: the interval excludes the printed value; a method that should be behind is significantly ahead (Holm's
  correction over the methods compared); even the highest ratio is below the bound.
- ``protocol differs``: there are records, but not by the paper's protocol (above), with another form of the metric, as a
  set of another number of images or on other images than the rival's, with images that have no score, timed on different
  devices or batches, or outside the interval of a cell that the paper leaves unclear.
- ``not run``: something is missing. An order against several methods can be contradicted by one, not be reproduced.

What a verdict does not say: the interval of a cell is over images, wider than what new noise on the same images does, so
that it is a tolerance, not a test; of many true cells one in twenty falls outside it, and of many claims one in twenty is
told by chance. PSNR is of floats and FID of rounded pixels, where the paper's code truncates to 8 bits (about 0.02 dB).
NFE is an option, so that a ratio of calls says only that solvers make as many as they are told. Seconds leave training out.
Every verdict on a twin is of another experiment: other images, another prior, other weights, other metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from invbench.claims import Claim
from invbench.compare import Pair, pairs, per_image
from invbench.errors import ConfigError
from invbench.metric import Metric, SetMetric
from invbench.noise import parse_noise
from invbench.published import SOLVERS
from invbench.records import MEAN, LoadedCell
from invbench.settings import WRITTEN
from invbench.stats import bca_interval, holm, sign_flip_p
from invbench.tables import SIGNIFICANT, absent, by_measurement, format_value

REPRODUCED, WITHIN, UNDECIDED, CONTRADICTED, DIFFERS, NOT_RUN = VERDICTS = (
    "reproduced",
    "within interval",
    "undecided",
    "contradicted",
    "protocol differs",
    "not run",
)
SECONDS, CALLS = "seconds", "nfe_forward"
FREE = {"weights"}  # options that may be written by hand
SLACK = 0.01  # of NFE: whether the first or the last step calls the network is a matter of counting

Metrics = Mapping[str, type[Metric]]


class Gap(NamedTuple):
    """Why a method cannot be judged, not run or by another protocol, and what is to be run (again)."""

    verdict: str
    method: str
    reason: str
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What is recorded about a claim, of n images; ``missing`` are methods to run (again)."""

    verdict: str
    ours: str = "-"
    n: int = 0
    reason: str = ""
    missing: tuple[str, ...] = ()


class Estimate(NamedTuple):
    """A mean over images, or a set's score, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Duel(NamedTuple):
    """How far the method that should be better leads; p of a set's score is 0 where intervals do not overlap, else 1."""

    lead: float
    p: float
    n: int
    shown: str


def judge(claim: Claim, cells: Sequence[LoadedCell], metrics: Metrics) -> Finding:
    """The verdict on a claim; cells that do not bear on it may be among them."""
    own, gaps = _choose(claim, cells)
    gaps |= {m: gap for m, cell in own.items() if (gap := _unscored(m, cell, claim, metrics))}
    own = {m: cell for m, cell in own.items() if m not in gaps}
    if claim.kind == "cell":
        return _cell(claim, own, gaps, metrics)
    if claim.kind == "ratio":
        return _ratio(claim, own, gaps, metrics)
    return _order(claim, own, gaps, metrics)


def departures(cell: LoadedCell, claim: Claim, method: str) -> list[str]:
    """In what a cell departs from the paper's protocol."""
    run, config = cell.run, cell.run["config"]
    found = {"noise": parse_noise(config["task"]["noise"]).label}
    wanted = {"noise": parse_noise(claim.noise).label, "data set": claim.benchmark, "prior": claim.prior}
    found |= {"data set": config["dataset"]["name"], "prior": config["prior"]["name"]}
    told = [f"{key} {value}, not {wanted[key]}" for key, value in found.items() if value != wanted[key]]
    printed, calls = float(claim.printed[method][1]), {r["value"] for r in cell.rows if r["metric"] == CALLS}
    if claim.metric != CALLS and any(abs(c - printed) > SLACK * printed for c in calls):
        told.append(f"NFE {'/'.join(f'{c:g}' for c in sorted(calls))}, not {printed:g}")
    hand = [key for key, origin in run.get("origins", {}).items() if origin == WRITTEN and key not in FREE]
    told += [f"{', '.join(hand)} written by hand"] if hand else []
    steps = run.get("training", {}).get("step", math.inf)
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
            chosen[method] = max(mine, key=lambda c: (c.run["config"]["samples"] == 1, sizes[c.id]))
        else:
            gaps[method] = _gap(method, own, told)
    return chosen, gaps


def _gap(method: str, own: Sequence[LoadedCell], told: Mapping[str, Sequence[str]]) -> Gap:
    """Why none of a method's cells is taken."""
    reasons = [told[c.id] or ["other measurements"] for c in own if c.id in told]
    if reasons:
        return Gap(DIFFERS, method, ", ".join(min(reasons, key=len)), (method,))
    skipped = [c.run["reason"] for c in own if c.run["status"] == "skipped"]
    return Gap(NOT_RUN, method, f"skipped, {skipped[0]}") if skipped else Gap(NOT_RUN, method, "", (method,))


def _cell(claim: Claim, own: Mapping[str, LoadedCell], gaps: Mapping[str, Gap], metrics: Metrics) -> Finding:
    (method,) = claim.methods
    if gaps:
        return _unjudged(gaps.values())
    found = _estimate(own[method], claim, metrics)
    text = claim.printed[method][0]
    half = 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1 + 1e-9)
    half = SLACK * float(text) if claim.metric == CALLS else half
    inside = found.low - half <= float(text) <= found.high + half
    sure = found.n >= claim.images and not claim.caveat and not _of_sets(claim, metrics)
    if math.isnan(found.low):
        verdict = UNDECIDED
    elif inside:
        verdict = REPRODUCED if sure else WITHIN
    else:
        verdict = DIFFERS if claim.caveat else CONTRADICTED
    return Finding(verdict, _shown(claim.metric, found), found.n, claim.caveat)


def _order(claim: Claim, own: Mapping[str, LoadedCell], gaps: Mapping[str, Gap], metrics: Metrics) -> Finding:
    found = [_duel(claim, pair, own, metrics) for pair in claim.pairs if own.keys() >= set(pair)]
    duels = [d for d in found if isinstance(d, Duel)]
    holes = [*gaps.values(), *(d for d in found if isinstance(d, Gap))]
    ps = holm([d.p for d in duels])
    beaten = [d for d, p in zip(duels, ps, strict=True) if p < SIGNIFICANT and d.lead < 0]
    seen = [d for d in duels if d.lead > 0]
    told = [d for d in seen if d.p < SIGNIFICANT]
    unjudged = _unjudged(holes)
    if not duels:
        return unjudged
    if beaten:
        verdict = CONTRADICTED
    elif holes:
        verdict = unjudged.verdict
    else:
        verdict = UNDECIDED if len(seen) < len(duels) else WITHIN if len(told) < len(duels) else REPRODUCED
    closest = min(duels, key=lambda d: d.lead)
    counted = f"of {len(claim.pairs)} pairs {len(told)} hold significantly, {len(beaten)} the other way (Holm)"
    reason = "; ".join(filter(None, (counted, unjudged.reason)))
    return Finding(verdict, closest.shown, min(d.n for d in duels), reason, unjudged.missing)


def _unjudged(gaps: Iterable[Gap]) -> Finding:
    """A finding of what stands in the way; that nothing is recorded needs no words."""
    gaps = list(dict.fromkeys(gaps))
    by_reason: dict[str, list[str]] = {}
    for gap in gaps:
        if gap.reason:
            by_reason.setdefault(gap.reason, []).append(gap.method)
    verdict = NOT_RUN if any(g.verdict == NOT_RUN for g in gaps) else DIFFERS
    missing = dict.fromkeys(method for g in gaps for method in g.again)
    reason = "; ".join(f"{', '.join(methods)}: {reason}" for reason, methods in by_reason.items())
    return Finding(verdict, reason=reason, missing=tuple(missing))


def _ratio(claim: Claim, own: Mapping[str, LoadedCell], gaps: Mapping[str, Gap], metrics: Metrics) -> Finding:
    ((fast, slow),) = claim.pairs
    if gaps:
        return _unjudged(gaps.values())
    pair = _pair(claim, (slow, fast), own, metrics)
    if isinstance(pair, Gap):
        return _unjudged([pair])
    low, high = _extremes(pair)
    several = min(len(np.unique(values)) for values in (pair.old, pair.new)) > 1
    sure = claim.metric == CALLS or several
    bound = claim.bound * (1 - SLACK) if claim.metric == CALLS else claim.bound
    if sure and low >= bound:
        verdict = REPRODUCED
    elif sure and high < bound:
        verdict = CONTRADICTED
    else:
        verdict = WITHIN if pair.ratio >= bound else UNDECIDED
    shown = f"{pair.ratio:.4g}x" + (f" [{low:.4g}, {high:.4g}]" if low < high else "")
    setting = "" if claim.metric == CALLS else _setting(own[fast])
    return Finding(verdict, shown, len(pair.old), setting + ("" if sure else "; one batch timed, so no spread"))


def _extremes(pair: Pair) -> tuple[float, float]:
    """Least and greatest ratio of any two images' values."""
    return float(pair.new.min() / pair.old.max()), float(pair.new.max() / pair.old.min())


def _duel(claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics) -> Duel | Gap:
    """The first method of the pair against the second."""
    sign = 1.0 if metrics[claim.metric].higher_is_better else -1.0
    if _of_sets(claim, metrics):
        return _duel_of_sets(claim, pair, own, metrics, sign)
    better, worse = pair
    scores = _pair(claim, pair, own, metrics)
    if isinstance(scores, Gap):
        return scores
    leads = sign * (scores.new - scores.old)
    p, (low, high) = sign_flip_p(leads), bca_interval(leads)
    names = f"{better} {format_value(claim.metric, scores.new.mean())}, lead over {worse}"
    shown = f"{names} {leads.mean():+.3g} [{low:+.3g}, {high:+.3g}], p {p:.2g}"
    return Duel(float(leads.mean()), p, len(leads), shown)


def _duel_of_sets(
    claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics, sign: float
) -> Duel | Gap:
    if own[pair[0]].images != own[pair[1]].images:
        mine, other = (len(own[name].images) for name in pair)
        return Gap(DIFFERS, pair[1], f"{claim.metric} of {other} images, not the {mine} of {pair[0]}", pair)
    a, b = (_estimate(own[name], claim, metrics) for name in pair)
    apart = a.high < b.low or b.high < a.low
    shown = ", ".join(f"{name} {_shown(claim.metric, found)}" for name, found in zip(pair, (a, b), strict=True))
    return Duel(sign * (a.value - b.value), 0.0 if apart else 1.0, a.n, shown)


def _pair(claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics) -> Pair | Gap:
    """The metric of two methods' cells, the second as the old one, on the images that both have."""
    new, old = (own[method] for method in pair)
    if claim.metric == SECONDS and _setting(old) != _setting(new):
        return Gap(DIFFERS, pair[1], f"timed on {_setting(old)}, {pair[0]} on {_setting(new)}")
    try:
        found = pairs(old, new, _protocol(claim, metrics))
    except ConfigError as error:
        return Gap(DIFFERS, pair[1], str(error))
    return found[0] if found else Gap(DIFFERS, pair[1], f"no image in common with {pair[0]}", pair)


def _unscored(method: str, cell: LoadedCell, claim: Claim, metrics: Metrics) -> Gap | None:
    """Why the metric of a cell cannot be used; None if it can."""
    protocol, family = _protocol(claim, metrics), claim.metric.partition("_")[0]
    scores = [r for r in [*cell.rows, *cell.sets] if r["metric"].partition("_")[0] == family]
    own = [r for r in scores if r["protocol"] == protocol and r.get("sample") != MEAN]
    if scores and not own:
        return Gap(DIFFERS, method, f"{', '.join(sorted({r['protocol'] for r in scores}))}, not {protocol}")
    if not own:
        return Gap(NOT_RUN, method, f"{claim.metric} {absent(claim.metric, metrics)}")
    if bad := len({r.get("image") for r in own if math.isnan(r["value"])}):
        return Gap(DIFFERS, method, f"{bad} of {len(cell.images)} images have no score (nan)")
    if _of_sets(claim, metrics) and claim.images not in (0, own[0]["n"]):
        reason = f"{claim.metric} of {own[0]['n']} images, of {claim.images} in the paper; its bias depends on that"
        return Gap(DIFFERS, method, reason, (method,))
    return None


def _estimate(cell: LoadedCell, claim: Claim, metrics: Metrics) -> Estimate:
    """The score of a cell that has one."""
    protocol = _protocol(claim, metrics)
    if _of_sets(claim, metrics):
        score = next(s for s in cell.sets if s["protocol"] == protocol)
        return Estimate(score["value"], score["low"], score["high"], score["n"])
    values = per_image(cell, protocol)["value"].to_numpy(dtype=float)
    return Estimate(float(values.mean()), *bca_interval(values), len(values))


def _protocol(claim: Claim, metrics: Metrics) -> str:
    return metrics[claim.metric].protocol if claim.metric in metrics else claim.metric


def _of_sets(claim: Claim, metrics: Metrics) -> bool:
    return claim.metric in metrics and issubclass(metrics[claim.metric], SetMetric)


def _shown(metric: str, found: Estimate) -> str:
    value, low, high = (format_value(metric, v) for v in found[:3])
    return f"{value} [{low}, {high}]" if low != high else value


def _setting(cell: LoadedCell) -> str:
    """On what a cell was timed."""
    return "; ".join(sorted({f"{s['device']}, batch {s['batch_size']}" for s in cell.run["sessions"]}))


def _name(cell: LoadedCell, kind: str) -> str:
    return str(cell.run["config"][kind]["name"])
