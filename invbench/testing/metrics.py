"""Conformance checks of metrics, on four measurements whose posterior is known."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property

import torch
from torch import Tensor

from invbench.errors import DataError
from invbench.linops import BlockMean
from invbench.metric import Metric, SampleMetric, SetMetric
from invbench.operator import Shape
from invbench.problem import Measurement, Problem
from invbench.rng import Rng
from invbench.testing.devices import another_device, same_values
from invbench.testing.findings import Check, NotApplicable, expect
from invbench.testing.problems import SIGMA, measure, tiny_prior

X_SHAPE: Shape = (3, 16, 20)  # large enough for windows of 11 pixels, and for patches
IMAGES = ("a", "b", "c", "d")
DRAWS = 20  # samples of the posterior, for scores of several samples
SAME = 1e-6  # relative to a value


class MetricLab:
    """A metric, measurements, a good reconstruction and a bad one (or samples, for a score of several)."""

    def __init__(self, cls: type[Metric]) -> None:
        self.metric = cls()

    @cached_property
    def measured(self) -> Measurement:
        """Super-resolution of tiny images."""
        A, (prior, _) = BlockMean(X_SHAPE, 4), tiny_prior(X_SHAPE)
        x, y = measure(A, IMAGES, SIGMA)
        exact = prior.posterior(Problem(A, SIGMA, "conformance", "conformance"))
        measurement = Measurement(IMAGES, x, y, torch.full((len(x), 1, 1, 1), SIGMA), ("",) * len(x), A, exact)
        if reason := self.metric.unavailable(measurement):
            raise NotApplicable(f"has no value here: {reason}")
        return measurement

    @cached_property
    def good(self) -> Tensor:
        """The truth (B, C, H, W); for a score of several, exact samples (B, K, C, H, W)."""
        measured = self.measured
        if not isinstance(self.metric, SampleMetric):
            return measured.x
        assert measured.posterior is not None
        y = measured.y.flatten(1).double()
        rngs = [Rng.for_images(IMAGES, purpose="posterior", sample=k) for k in range(DRAWS)]
        draws = [measured.posterior.sample(y, rng).float() for rng in rngs]
        return torch.stack(draws, 1).reshape(len(y), DRAWS, *X_SHAPE)

    @cached_property
    def bad(self) -> Tensor:
        """The good reconstruction with noise and a shift."""
        images = [f"{image} {k}" for image in IMAGES for k in range(self.good[0].numel() // self.measured.x[0].numel())]
        noise = Rng.for_images(images, purpose="bad").randn(X_SHAPE)
        return self.good + 0.2 + 0.3 * noise.reshape(self.good.shape)

    def score(self, x_hat: Tensor, measured: Measurement | None = None) -> Tensor:
        """The values; the weights may be absent if the user has to fetch them."""
        try:
            return self.metric(x_hat, measured or self.measured)
        except DataError as error:
            raise NotApplicable(f"cannot be computed here: {error}") from error


def values(lab: MetricLab) -> str:
    output = lab.score(lab.bad)
    B = len(IMAGES)
    if isinstance(lab.metric, SetMetric):
        expect(len(output) == B, f"expected a row of features per image, {B}; got {tuple(output.shape)}")
        expect(bool(output.isfinite().all()), "expected finite features; look for x / 0")
        return f"features {tuple(output.shape)}"
    expect(
        tuple(output.shape) == (B,), f"expected one value per image, ({B},); got {tuple(output.shape)}; see flatten(1)"
    )
    expect(bool(output.isfinite().all()), f"expected finite values; got {output.tolist()}; look for x / 0")
    return f"({B},), from {float(output.min()):.4g} to {float(output.max()):.4g}"


def batch(lab: MetricLab) -> str:
    m = lab.measured
    first = replace(m, images=m.images[:1], x=m.x[:1], y=m.y[:1], std=m.std[:1], sha256=m.sha256[:1])
    one, four = lab.score(lab.bad[:1], first)[0], lab.score(lab.bad)[0]
    if isinstance(lab.metric, SetMetric):
        expect(bool(torch.allclose(one, four, atol=1e-4)), "expected one image's features whatever the batch")
        return "an image alone and in a batch has the same features"
    alone, together = float(one), float(four)
    good = abs(alone - together) <= SAME * max(1.0, abs(together))
    advice = "reduce over the axes of one image, never over the batch"
    expect(good, f"expected one value whatever the batch; got {alone:.6g} alone and {together:.6g} in it; {advice}")
    return f"an image alone and in a batch score {alone:.4g}"


def repeat(lab: MetricLab) -> str:
    same = torch.equal(lab.score(lab.bad), lab.score(lab.bad))
    expect(same, "expected the same values twice; got others; draw from a generator made for the call, or not at all")
    return "the same values twice"


def inputs(lab: MetricLab) -> str:
    fresh = MetricLab(type(lab.metric))  # fresh copies: a value that was modified once may not change again
    x_hat, held = fresh.bad.clone(), _tensors(fresh.measured)
    fresh.score(x_hat)
    same = torch.equal(x_hat, fresh.bad)
    expect(same, "expected x_hat untouched; it was modified in place; write x.clamp, not x.clamp_")
    for name, tensor in _tensors(fresh.measured).items():
        expect(torch.equal(tensor, held[name]), f"expected {name} untouched; it was modified in place; copy it first")
    return f"x_hat, {', '.join(held)} are untouched"


def protocol(lab: MetricLab) -> str:
    text = getattr(lab.metric, "protocol", "")
    good = isinstance(text, str) and bool(text.strip())
    expect(good, f"expected a protocol, all that the number depends on; got {text!r}; e.g. 'psnr/rgb/range2/float'")
    return text


def best(lab: MetricLab) -> str:
    higher = lab.metric.higher_is_better
    if higher is None:
        raise NotApplicable("the metric has no better direction")
    what = "exact samples" if isinstance(lab.metric, SampleMetric) else "the truth"
    if isinstance(lab.metric, SetMetric):
        truth = lab.score(lab.measured.x)
        good, bad = (lab.metric.distance(truth, lab.score(x)) for x in (lab.good, lab.bad))
    else:
        good, bad = (float(lab.score(x).mean()) for x in (lab.good, lab.bad))
    message = f"expected {what} to score no worse than a noisy, shifted version; got {good:.4g} and {bad:.4g}"
    expect(
        good >= bad if higher else good <= bad, f"{message} with higher_is_better = {higher}; turn one of them round"
    )
    return f"{what}: {good:.4g}; noisy and shifted: {bad:.4g}"


def device(lab: MetricLab) -> str:
    m, here = lab.measured, lab.score(lab.bad)
    with another_device() as there:
        moved = replace(m, x=m.x.to(there), y=m.y.to(there), std=m.std.to(there), A=m.A.to(there))
        values = lab.score(lab.bad.to(there), moved)
        off = same_values("the values", values, here)
        if isinstance(lab.metric, SetMetric):
            truth = lab.score(moved.x, moved)
            lab.metric.distance(truth, values)
            list(lab.metric.distances(truth, values, torch.zeros(1, len(truth), dtype=torch.int64)))
    return f"the same values on another device than the CPU, to {off:.1e}"


CHECKS: dict[str, Check] = {c.__name__: c for c in (values, batch, repeat, inputs, protocol, best, device)}


def _tensors(measured: Measurement) -> dict[str, Tensor]:
    """Copies of a measurement's tensors."""
    by_name = {f.name: getattr(measured, f.name) for f in fields(measured)}
    return {name: value.clone() for name, value in by_name.items() if isinstance(value, Tensor)}
