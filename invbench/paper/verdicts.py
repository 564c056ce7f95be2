"""Verdicts on the paper's claims.

A record is comparable with a claim only if benchmark, task, noise, data set, prior and NFE (to 1 %) are those of the
paper, no option of the solver was set on the command line (weights may be), and a network trained here had as many
iterations.

- ``reproduced``: a cell of a per-image metric, of as many images as the paper's, whose 95 % BCa interval over images
  contains the printed value, with its rounding. An order that holds against every method named, p < 0.05 each by sign
  flips of the paired differences on the same images (all must hold, so nothing is corrected); for a score of sets by
  the jackknife of the difference, or where records do not hold its parts, if the 95 % intervals do not overlap. A ratio
  that is at least its bound (of NFE: to 1 %) for any two images.
  A margin is judged as a cell whose value is the mean paired difference; of scores of sets by the
  jackknife too, or from end to end of both intervals.
- ``within interval``: consistent, but not confirmed. A cell inside the interval with fewer images, of a score of sets,
  whose bootstrap says nothing about bias, or with a caveat. An order that our means show, though not beyond chance.
  A ratio that medians show and not every two images, or that was timed on one batch.
- ``undecided``: an order or a ratio that means or medians do not show, which chance explains; a cell of one image.
- ``contradicted``: the interval excludes the printed value; a method that should be behind is significantly ahead
  (Holm's correction over the methods compared); a ratio below its bound for any two images.
- ``protocol differs``: there are records, but not by the paper's protocol (above), with another form of the metric, as
  a set of other images than the competing method's or of another number than the paper's, with images that have no
  score, timed on different devices or batches, or outside the interval of a cell that the paper leaves unclear.
- ``not run``: something is missing. An order against several methods can be contradicted by one, not be reproduced.

Limits of a verdict: the interval of a cell is over images, and wider than the effect of new noise on the same images,
so it is a tolerance rather than a test; one in twenty true cells falls outside it, a false-positive rate of 5 %. PSNR
is of floats and FID of rounded pixels, while the paper's code truncates to 8 bits (about 0.02 dB). NFE is an option, so
a ratio of calls only confirms that solvers make the calls they are set to. Seconds do not include training. Every
verdict on a proxy is about another experiment: other images, another prior, other weights, other metrics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from invbench.analysis.clusters import clustered
from invbench.analysis.comparable import shared_images
from invbench.analysis.digits import format_interval, format_value
from invbench.analysis.pairs import Pair, pairs, per_image
from invbench.analysis.stats import bca_interval, jackknife_difference, mean_difference, sign_flip_p
from invbench.errors import ConfigError
from invbench.paper.claim import Claim
from invbench.paper.evidence import (
    DIFFERS,
    NOT_RUN,
    Evidence,
    Metrics,
    MissingResult,
    evidence,
    of_sets,
    protocol_of,
)
from invbench.paper.outcomes import (
    CONTRADICTED,
    REPRODUCED,
    UNDECIDED,
    WITHIN,
    Comparison,
    Estimate,
    Finding,
    Order,
    Ratio,
)
from invbench.paper.records import CALLS, SLACK
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs, same_run
from invbench.store.schema import Score

SECONDS = "seconds"


def judge(claim: Claim, cells: Sequence[LoadedCell], metrics: Metrics, costs: Costs = MappingProxyType({})) -> Finding:
    """The verdict on a claim; cells and costs may include ones that are not comparable with it."""
    comparable = evidence(claim, cells, metrics)
    if claim.kind == "cell":
        return _cell(claim, comparable, metrics)
    if claim.kind == "margin":
        return _margin(claim, comparable, metrics)
    if claim.kind == "ratio":
        return _ratio(claim, comparable, metrics, costs)
    return _order(claim, comparable, metrics)


def _cell(claim: Claim, comparable: Evidence, metrics: Metrics) -> Finding:
    (method,) = claim.methods
    if comparable.missing:
        return _unjudged(comparable.missing.values())
    estimate = _estimate(comparable.cells[method], claim, metrics)
    verdict = _printed(claim, estimate, metrics)
    return Finding(verdict, _text(claim.metric, estimate, metrics), estimate.n, claim.caveat)


def _margin(claim: Claim, comparable: Evidence, metrics: Metrics) -> Finding:
    """A margin, judged as a cell whose value is the lead of one method over another."""
    if comparable.missing:
        return _unjudged(comparable.missing.values())
    lead = _compare(claim, claim.pairs[0], comparable.cells, metrics)
    if isinstance(lead, MissingResult):
        return _unjudged([lead])
    return Finding(_printed(claim, lead.estimate, metrics), lead.text, lead.estimate.n, claim.caveat)


def _printed(claim: Claim, estimate: Estimate, metrics: Metrics) -> str:
    """The verdict on a printed value: whether it lies, up to rounding, in the interval of ours."""
    value = float(claim.value)
    unit = 10.0 ** -len(claim.value.partition(".")[2]) * (1 + 1e-9)
    half = SLACK * value if claim.metric == CALLS else unit * (0.5 * len(claim.methods))  # each method's is rounded
    inside = estimate.low - half <= value <= estimate.high + half
    sure = estimate.n >= claim.images and not claim.caveat and not of_sets(claim, metrics)
    if math.isnan(estimate.low):
        return UNDECIDED
    if inside:
        return REPRODUCED if sure else WITHIN
    return DIFFERS if claim.caveat else CONTRADICTED


def _order(claim: Claim, comparable: Evidence, metrics: Metrics) -> Finding:
    pairs = [pair for pair in claim.pairs if comparable.cells.keys() >= set(pair)]
    results = [_compare(claim, pair, comparable.cells, metrics) for pair in pairs]
    incomparable = [each for each in results if isinstance(each, MissingResult)]
    unjudged = _unjudged([*comparable.missing.values(), *incomparable])
    order = Order([each for each in results if isinstance(each, Comparison)], len(claim.pairs))
    if not order.comparisons:
        return unjudged
    verdict = order.verdict if order.settled else unjudged.verdict
    reason = "; ".join(filter(None, (order.counted, unjudged.reason, claim.caveat)))
    return Finding(verdict, order.closest.text, order.images, reason, unjudged.missing)


def _unjudged(missing: Iterable[MissingResult]) -> Finding:
    """A finding that gives the reasons why the claim cannot be judged; missing records need no text."""
    missing = list(dict.fromkeys(missing))
    by_reason: dict[str, list[str]] = {}
    for each in missing:
        if each.reason:
            by_reason.setdefault(each.reason, []).append(each.method)
    verdict = NOT_RUN if any(each.verdict == NOT_RUN for each in missing) else DIFFERS
    again = dict.fromkeys(method for each in missing for method in each.again)
    reason = "; ".join(f"{', '.join(methods)}: {reason}" for reason, methods in by_reason.items())
    return Finding(verdict, reason=reason, missing=tuple(again))


def _ratio(claim: Claim, comparable: Evidence, metrics: Metrics, costs: Costs) -> Finding:
    if comparable.missing:
        return _unjudged(comparable.missing.values())
    ratio = _benched(claim, comparable.cells, costs) or _recorded(claim, comparable.cells, metrics)
    if isinstance(ratio, MissingResult):
        return _unjudged([ratio])
    bound = claim.bound * (1 - SLACK) if claim.metric == CALLS else claim.bound
    return Finding(ratio.verdict(bound), ratio.text, ratio.n, ratio.setting)


def _benched(claim: Claim, own: Mapping[str, LoadedCell], costs: Costs) -> Ratio | None:
    """The ratio of both methods' seconds from ``invbench bench``, with the options of their runs, on one machine."""
    ((fast, slow),) = claim.pairs
    a, b = (costs.get((claim.benchmark, claim.task, claim.contenders[method].solver)) for method in (fast, slow))
    if claim.metric != SECONDS or not a or not b or a.setting != b.setting:
        return None
    if not (same_run(a, own[fast]) and same_run(b, own[slow])):
        return None
    low, high = b.cost.low / a.cost.high, b.cost.high / a.cost.low
    sure = min(a.cost.repeats, b.cost.repeats) > 1
    unsure = "" if sure else f"; {slow} timed once, so no spread"
    setting = f"by invbench bench, {a.setting}{unsure}"
    return Ratio(b.cost.seconds / a.cost.seconds, low, high, 1, sure, setting)


def _recorded(claim: Claim, own: Mapping[str, LoadedCell], metrics: Metrics) -> Ratio | MissingResult:
    """The ratio of two methods' recorded values."""
    ((fast, slow),) = claim.pairs
    pair = _pair(claim, (slow, fast), own, metrics)
    if isinstance(pair, MissingResult):
        return pair
    low, high = _extremes(pair)
    several = min(len(np.unique(values)) for values in (pair.old, pair.new)) > 1
    sure = claim.metric == CALLS or several
    setting = "" if claim.metric == CALLS else _setting(own[fast])
    unsure = "" if sure else "; one batch timed, so no spread"
    return Ratio(pair.ratio, low, high, len(pair.old), sure, f"{setting}{unsure}")


def _extremes(pair: Pair) -> tuple[float, float]:
    """Minimum and maximum ratio over any two images."""
    return float(pair.new.min() / pair.old.max()), float(pair.new.max() / pair.old.min())


def _compare(
    claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics
) -> Comparison | MissingResult:
    """The first method of the pair against the second."""
    sign = 1.0 if metrics[claim.metric].higher_is_better else -1.0
    if of_sets(claim, metrics):
        return _compare_sets(claim, pair, own, metrics, sign)
    better, worse = pair
    scores = _pair(claim, pair, own, metrics)
    if isinstance(scores, MissingResult):
        return scores
    leads = sign * scores.clustered
    p, (low, high) = sign_flip_p(leads), bca_interval(leads)
    names = f"{better} {format_value(claim.metric, scores.new.mean(), metrics)}, lead over {worse}"
    text = f"{names} {mean_difference(leads):+.3g} [{low:+.3g}, {high:+.3g}], p {p:.2g}, n {scores.n}"
    return Comparison(Estimate(mean_difference(leads), low, high, len(leads)), p, text)


def _compare_sets(
    claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics, sign: float
) -> Comparison | MissingResult:
    """The same for a score of the set of images that both have, if it was computed."""
    better, worse = (own[method] for method in pair)
    common = shared_images([better, worse], claim.metric)
    a, b = (_set_score(cell, common, protocol_of(claim, metrics)) for cell in (better, worse))
    if a is None or b is None:
        sizes = f"{len(worse.images)} images, not the {len(better.images)} of {pair[0]}"
        return MissingResult(DIFFERS, pair[1], f"{claim.metric} of {sizes}; run the same, or 'invbench rescore'", pair)
    lead, p = _set_lead(a, b, sign)
    texts = [f"{name} {_text(claim.metric, _of_set(s), metrics)}" for name, s in zip(pair, (a, b), strict=True)]
    if a.without and b.without:
        texts.append(f"lead {lead.value:+.3g} [{lead.low:+.3g}, {lead.high:+.3g}], p {p:.2g}")
    return Comparison(lead, p, f"{', '.join(texts)}, n {a.n}")


def _set_lead(a: Score, b: Score, sign: float) -> tuple[Estimate, float]:
    """The lead of a score over another of the same images, and p: by the jackknife, or by whether intervals overlap."""
    value = sign * (a.value - b.value)
    if a.without and b.without:
        p, (low, high) = jackknife_difference(a.value - b.value, a.without, b.without)
        low, high = sorted((sign * low, sign * high))
        return Estimate(value, low, high, a.n), p
    low, high = sorted((sign * (a.low - b.high), sign * (a.high - b.low)))
    apart = a.high < b.low or b.high < a.low
    return Estimate(value, low, high, a.n), 0.0 if apart else 1.0


def _pair(claim: Claim, pair: tuple[str, str], own: Mapping[str, LoadedCell], metrics: Metrics) -> Pair | MissingResult:
    """The metric of two methods' cells, the second as the old one, on the images that both have."""
    new, old = (own[method] for method in pair)
    if claim.metric == SECONDS and _setting(old) != _setting(new):
        return MissingResult(DIFFERS, pair[0], f"timed on {_setting(new)}, {pair[1]} on {_setting(old)}", pair)
    try:
        matched = pairs(old, new, protocol_of(claim, metrics))
    except ConfigError as error:
        return MissingResult(DIFFERS, pair[1], str(error))
    if not matched:
        return MissingResult(DIFFERS, pair[1], f"no image in common with {pair[0]}", pair)
    return matched[0]


def _estimate(cell: LoadedCell, claim: Claim, metrics: Metrics) -> Estimate:
    """The score of a cell that has one."""
    protocol = protocol_of(claim, metrics)
    if scores := [s for s in cell.sets if s.protocol == protocol]:
        return _of_set(scores[0])
    values = per_image(cell, protocol).set_index("image")["value"]
    return Estimate(float(values.mean()), *bca_interval(clustered(values, cell.groups)), len(values))


def _set_score(cell: LoadedCell, images: Collection[str], protocol: str) -> Score | None:
    """The score of these images as a set, if it was computed."""
    return next((s for s in cell.set_scores(images) if s.protocol == protocol), None)


def _of_set(score: Score) -> Estimate:
    return Estimate(score.value, score.low, score.high, score.n)


def _text(metric: str, estimate: Estimate, metrics: Metrics) -> str:
    return format_interval(metric, *estimate[:3], metrics)


def _setting(cell: LoadedCell) -> str:
    """The device and batch size with which a cell was timed."""
    return "; ".join(sorted({f"{s.device}, batch {s.batch_size}" for s in cell.run.sessions}))
