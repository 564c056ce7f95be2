"""What records say about the paper's claims. No torch.

A record bears on a claim only if benchmark, task, noise, data set, prior and NFE (to 1 %) are those of the paper, no
option of the solver was written by hand (weights may be), and a network trained here had as many iterations.

- ``reproduced``: a cell of a per-image metric, of as many images as the paper's, whose 95 % BCa interval over images
  contains the printed value, with its rounding. An order that holds against every method named, p < 0.05 each by sign
  flips of the paired differences on the same images (all must hold, so nothing is corrected); for a score of sets,
  where the 95 % intervals do not overlap. A ratio that is at least its bound (of NFE: to 1 %) for any two images.
- ``within interval``: seen, but no more. A cell inside the interval with fewer images, of a score of sets, whose
  bootstrap says nothing about bias, or with a caveat. An order that our means show, though not beyond chance. A ratio
  that medians show and not every two images, or that was timed on one batch.
- ``undecided``: an order or a ratio that means or medians do not show, which chance explains; a cell of one image.
- ``contradicted``: the interval excludes the printed value; a method that should be behind is significantly ahead
  (Holm's correction over the methods compared); a ratio below its bound for any two images.
- ``protocol differs``: there are records, but not by the paper's protocol (above), with another form of the metric, as
  a set of other images than the rival's or of another number than the paper's, with images that have no score, timed on
  different devices or batches, or outside the interval of a cell that the paper leaves unclear.
- ``not run``: something is missing. An order against several methods can be contradicted by one, not be reproduced.

What a verdict does not say: the interval of a cell is over images, wider than what new noise on the same images does,
so it is a tolerance, not a test; of many true cells one in twenty falls outside it, and of many claims one in twenty is
told by chance. PSNR is of floats and FID of rounded pixels, where the paper's code truncates to 8 bits (about 0.02 dB).
NFE is an option: a ratio of calls says that solvers make as many as they are told. Seconds leave training out.
Every verdict on a twin is of another experiment: other images, another prior, other weights, other metrics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from invbench.analysis.comparable import shared_images
from invbench.analysis.digits import format_interval, format_value
from invbench.analysis.pairs import Pair, pairs, per_image
from invbench.analysis.stats import SIGNIFICANT, bca_interval, holm, mean_difference, sign_flip_p
from invbench.errors import ConfigError
from invbench.paper.claims import Claim
from invbench.paper.evidence import DIFFERS, NOT_RUN, Gap, Metrics, evidence, of_sets, protocol_of
from invbench.paper.published import CALLS, SLACK, SOLVERS
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs, same_run
from invbench.store.schema import Score

REPRODUCED, WITHIN, UNDECIDED, CONTRADICTED = "reproduced", "within interval", "undecided", "contradicted"
VERDICTS = (REPRODUCED, WITHIN, UNDECIDED, CONTRADICTED, DIFFERS, NOT_RUN)
SECONDS = "seconds"


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


class Ratio(NamedTuple):
    """A ratio with its least and greatest, on how many images; ``sure`` where that spread says something."""

    value: float
    low: float
    high: float
    n: int
    sure: bool
    setting: str


class Duel(NamedTuple):
    """How far the method that should be better leads; p of a score of sets is 0 where intervals are apart, else 1."""

    lead: float
    p: float
    n: int
    shown: str


def judge(claim: Claim, cells: Sequence[LoadedCell], metrics: Metrics, costs: Costs = MappingProxyType({})) -> Finding:
    """The verdict on a claim; cells and costs that do not bear on it may be among them."""
    own, gaps = evidence(claim, cells, metrics)
    if claim.kind == "cell":
        return _cell(claim, own, gaps, metrics)
    if claim.kind == "ratio":
        return _ratio(claim, own, gaps, metrics, costs)
    return _order(claim, own, gaps, metrics)


def _cell(claim: Claim, own: Mapping[str, LoadedCell], gaps: Mapping[str, Gap], metrics: Metrics) -> Finding:
    (method,) = claim.methods
    if gaps:
        return _unjudged(gaps.values())
    found = _estimate(own[method], claim, metrics)
    text = claim.printed[method][0]
    rounding = 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1 + 1e-9)
    half = SLACK * float(text) if claim.metric == CALLS else rounding
    inside = found.low - half <= float(text) <= found.high + half
    sure = found.n >= claim.images and not claim.caveat and not of_sets(claim, metrics)
    if math.isnan(found.low):
        verdict = UNDECIDED
    elif inside:
        verdict = REPRODUCED if sure else WITHIN
    else:
        verdict = DIFFERS if claim.caveat else CONTRADICTED
    return Finding(verdict, _shown(claim.metric, found, metrics), found.n, claim.caveat)


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
    closest = min(beaten or duels, key=lambda d: d.lead)
    counted = f"of {len(claim.pairs)} pairs {len(told)} hold significantly, {len(beaten)} the other way"
    several = counted if len(claim.pairs) > 1 else ""
    reason = "; ".join(filter(None, (several, unjudged.reason, claim.caveat)))
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


def _ratio(
    claim: Claim, own: Mapping[str, LoadedCell], gaps: Mapping[str, Gap], metrics: Metrics, costs: Costs
) -> Finding:
    if gaps:
        return _unjudged(gaps.values())
    found = _benched(claim, own, costs) or _recorded(claim, own, metrics)
    if isinstance(found, Gap):
        return _unjudged([found])
    bound = claim.bound * (1 - SLACK) if claim.metric == CALLS else claim.bound
    if found.sure and found.low >= bound:
        verdict = REPRODUCED
    elif found.sure and found.high < bound:
        verdict = CONTRADICTED
    else:
        verdict = WITHIN if found.value >= bound else UNDECIDED
    spread = f" [{found.low:.4g}, {found.high:.4g}]" if found.low < found.high else ""
    return Finding(verdict, f"{found.value:.4g}x{spread}", found.n, found.setting)


def _benched(claim: Claim, own: Mapping[str, LoadedCell], costs: Costs) -> Ratio | None:
    """A ratio of the seconds that ``invbench bench`` measured of both, as they were run, on one machine."""
    ((fast, slow),) = claim.pairs
    a, b = (costs.get((claim.benchmark, claim.task, SOLVERS[method])) for method in (fast, slow))
    if claim.metric != SECONDS or not a or not b or a.setting != b.setting:
        return None
    if not (same_run(a, own[fast]) and same_run(b, own[slow])):
        return None
    low, high = b.cost.low / a.cost.high, b.cost.high / a.cost.low
    sure = min(a.cost.repeats, b.cost.repeats) > 1
    setting = f"by invbench bench, {a.setting}" + ("" if sure else f"; {slow} timed once, so no spread")
    return Ratio(b.cost.seconds / a.cost.seconds, low, high, 1, sure, setting)


def _recorded(claim: Claim, own: Mapping[str, LoadedCell], metrics: Metrics) -> Ratio | Gap:
    """A ratio of what runs recorded of two methods."""
    ((fast, slow),) = claim.pairs
    pair = _pair(claim, (slow, fast), own, metrics)
    if isinstance(pair, Gap):
        return pair
    low, high = _extremes(pair)
    several = min(len(np.unique(values)) for values in (pair.old, pair.new)) > 1
    sure = claim.metric == CALLS or several
    setting = "" if claim.metric == CALLS else _setting(own[fast])
    return Ratio(
        pair.ratio, low, high, len(pair.old), sure, setting + ("" if sure else "; one batch timed, so no spread")
    )


def _extremes(pair: Pair) -> tuple[float, float]:
    """Least and greatest ratio of any two images' values."""
    return float(pair.new.min() / pair.old.max()), float(pair.new.max() / pair.old.min())


def _duel(claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics) -> Duel | Gap:
    """The first method of the pair against the second."""
    sign = 1.0 if metrics[claim.metric].higher_is_better else -1.0
    if of_sets(claim, metrics):
        return _duel_of_sets(claim, pair, own, metrics, sign)
    better, worse = pair
    scores = _pair(claim, pair, own, metrics)
    if isinstance(scores, Gap):
        return scores
    leads = sign * scores.differences
    p, (low, high) = sign_flip_p(leads), bca_interval(leads)
    names = f"{better} {format_value(claim.metric, scores.new.mean(), metrics)}, lead over {worse}"
    shown = f"{names} {mean_difference(leads):+.3g} [{low:+.3g}, {high:+.3g}], p {p:.2g}, n {len(leads)}"
    return Duel(mean_difference(leads), p, len(leads), shown)


def _duel_of_sets(
    claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics, sign: float
) -> Duel | Gap:
    """The same for a score of the set of images that both have, where it was made."""
    better, worse = (own[method] for method in pair)
    common = shared_images([better, worse], claim.metric)
    a, b = (_set_score(cell, common, protocol_of(claim, metrics)) for cell in (better, worse))
    if a is None or b is None:
        sizes = f"{len(worse.images)} images, not the {len(better.images)} of {pair[0]}"
        return Gap(DIFFERS, pair[1], f"{claim.metric} of {sizes}; run the same, or 'invbench rescore'", pair)
    apart = a.high < b.low or b.high < a.low
    texts = [f"{name} {_shown(claim.metric, found, metrics)}" for name, found in zip(pair, (a, b), strict=True)]
    return Duel(sign * (a.value - b.value), 0.0 if apart else 1.0, a.n, f"{', '.join(texts)}, n {a.n}")


def _pair(claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics) -> Pair | Gap:
    """The metric of two methods' cells, the second as the old one, on the images that both have."""
    new, old = (own[method] for method in pair)
    if claim.metric == SECONDS and _setting(old) != _setting(new):
        return Gap(DIFFERS, pair[0], f"timed on {_setting(new)}, {pair[1]} on {_setting(old)}", pair)
    try:
        found = pairs(old, new, protocol_of(claim, metrics))
    except ConfigError as error:
        return Gap(DIFFERS, pair[1], str(error))
    return found[0] if found else Gap(DIFFERS, pair[1], f"no image in common with {pair[0]}", pair)


def _estimate(cell: LoadedCell, claim: Claim, metrics: Metrics) -> Estimate:
    """The score of a cell that has one."""
    protocol = protocol_of(claim, metrics)
    if found := [s for s in cell.sets if s.protocol == protocol]:
        return _of_set(found[0])
    values = per_image(cell, protocol)["value"].to_numpy(dtype=float)
    return Estimate(float(values.mean()), *bca_interval(values), len(values))


def _set_score(cell: LoadedCell, images: Collection[str], protocol: str) -> Estimate | None:
    """The score of these images as a set, if it was made."""
    found = [s for s in cell.set_scores(images) if s.protocol == protocol]
    return _of_set(found[0]) if found else None


def _of_set(score: Score) -> Estimate:
    return Estimate(score.value, score.low, score.high, score.n)


def _shown(metric: str, found: Estimate, metrics: Metrics) -> str:
    return format_interval(metric, *found[:3], metrics)


def _setting(cell: LoadedCell) -> str:
    """On what a cell was timed."""
    return "; ".join(sorted({f"{s.device}, batch {s.batch_size}" for s in cell.run.sessions}))
