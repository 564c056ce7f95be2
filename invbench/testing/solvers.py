"""Conformance checks of solvers, by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from invbench.errors import InvbenchError
from invbench.linops import BlockMean, Identity
from invbench.problem import Problem
from invbench.solver import Trainable
from invbench.testing.devices import another_device, same_there
from invbench.testing.findings import Check, Fault, NotApplicable, claimed, expect
from invbench.testing.generators import other_global_state
from invbench.testing.problems import SHAPE, SIGMA, PairedMeans
from invbench.testing.solver_lab import ALL, CLEAN, SHORT, Case, SolverLab, tensors

# Batches of different sizes use different kernels. Their float32 rounding, 1e-7, is amplified by divisions by
# sqrt(abar_t), up to 160, and by guidance; rows that interact differ by 1e-2 and more.
SAME_ROW = 1e-4
# bfloat16 rounds to 0.4 % at every step, and guidance amplifies it: up to 13 % of the image for the solvers we know. An
# image that went wrong is off by its own size.
SAME_IMAGE = 0.25
# Root mean square of A(x_hat) - y at noise CLEAN: a quarter of a pixel's deviation. Solvers that end on the prediction
# from the prior's cleanest level, 0.01, are off by that.
FIT = 0.05
MIXED = (2, 0, 3, 1)
# Share of the effect that exchanging measurements has with ten calls; one or two calls must have at least this share.
USED = 0.05


def shape(lab: SolverLab) -> str:
    expected = (len(ALL), *SHAPE)
    for case, solved in lab.everywhere:
        text = f"for {_name(case)} expected {expected}, (B, *problem.x_shape); got {tuple(solved.x_hat.shape)}"
        advice = "H and W differ, and so may the shapes of x and y"
        expect(tuple(solved.x_hat.shape) == expected, f"{text}; {advice}")
    return f"{expected} for {', '.join(map(_name, lab.cases))}"


def finite(lab: SolverLab) -> str:
    for case, solved in lab.everywhere:
        bad = int((~solved.x_hat.isfinite()).sum())
        expect(bad == 0, f"for {_name(case)} expected finite values; got {bad} that are not; look for x / 0 and roots")
    return f"finite for {', '.join(map(_name, lab.cases))}"


def dtype(lab: SolverLab) -> str:
    for _, solved in lab.everywhere:
        actual = solved.x_hat.dtype
        expect(actual == torch.float32, f"expected float32 for a float32 y; got {actual}; end with x_hat.to(y.dtype)")
    return "float32 in, float32 out"


def bfloat16(lab: SolverLab) -> str:
    claimed(type(lab.solver), "bfloat16")
    y = lab.main.y.bfloat16()
    try:
        x_hat = lab.run(replace(lab.main, y=y)).x_hat
    except NotImplementedError as error:
        raise NotApplicable(f"torch has no bfloat16 kernel for it on the CPU ({error})") from error
    expect(x_hat.dtype == y.dtype, f"expected bfloat16 for a bfloat16 y; got {x_hat.dtype}; end with x_hat.to(y.dtype)")
    expect(bool(x_hat.isfinite().all()), "expected finite values in bfloat16; got some that are not; avoid overflow")
    off = _rms(x_hat.float() - lab.base.x_hat) / _rms(lab.base.x_hat)
    advice = "compute small differences and divisions by sqrt(abar_t) in float32"
    expect(off <= SAME_IMAGE, f"expected float32's image to {SAME_IMAGE:.0%} of its rms; got {off:.1%}; {advice}")
    return f"bfloat16 in and out, {off:.1%} from the image of float32"


def batch(lab: SolverLab) -> str:
    advice = "reduce over the axes of one image (flatten(1)), never over the batch"
    for case, solved in lab.everywhere[1:]:
        alone, what = lab.run(case, rows=[0]).x_hat, f"a row of {_name(case)} alone and in a batch"
        _same_rows(alone, solved.x_hat[:1], what, advice)
    return _same_rows(lab.alone.x_hat, lab.base.x_hat[:1], "a row alone and in a batch", advice)


def order(lab: SolverLab) -> str:
    mixed = lab.run(lab.main, rows=MIXED).x_hat
    advice = "use no index of the batch; draw from rng, which has a generator per row"
    return _same_rows(mixed, lab.base.x_hat[list(MIXED)], "rows in another order", advice)


def shard(lab: SolverLab) -> str:
    halves = torch.cat([half.x_hat for half in lab.halves])
    return _same_rows(halves, lab.base.x_hat, "two halves and the whole", "let nothing depend on the size of the batch")


def identical(lab: SolverLab) -> str:
    x_hat = lab.base.x_hat
    advice = "use no index of the batch and no draw that is not rng's"
    return _same_rows(x_hat[3:], x_hat[:1], "two rows with one measurement and one generator", advice)


def repeat(lab: SolverLab) -> str:
    same = torch.equal(lab.base.x_hat, lab.again.x_hat)
    expect(same, "expected the same bits from a second call; got others; keep nothing between calls, in state neither")
    return "the same bits twice"


def seed(lab: SolverLab) -> str:
    zero = torch.equal(lab.base.x_hat, lab.again.x_hat)
    expect(zero, "expected seed 0 to give one result; got two; test 'seed is not None', never 'if seed'")
    others = [lab.run(lab.main, seed=k).x_hat for k in (1, 2)]
    equal = [torch.equal(lab.base.x_hat, x_hat) for x_hat in others]
    if all(equal):
        return "deterministic: seeds 0, 1 and 2 give one result"
    expect(not any(equal), "expected seeds 0, 1 and 2 to give three results; got two that agree; draw from rng alone")
    return "seeds 0, 1 and 2 give three results, each its own"


def global_rng(lab: SolverLab) -> str:
    base = lab.base
    with other_global_state() as state:
        before = state()
        moved = lab.run(lab.main).x_hat
        touched = state() != before
    expect(not touched, "expected global generators untouched; torch's, numpy's or random's has moved; draw from rng")
    same = torch.equal(moved, base.x_hat)
    expect(same, "expected a result that ignores the global generators; got another when they differ; draw from rng")
    return "global generators are neither used nor touched"


def inputs(lab: SolverLab) -> str:
    untouched = lab.base.y_untouched
    expect(untouched, "expected y untouched; it was modified in place; write y = y - ... for y -= ...")
    for name, tensor in tensors(lab.main.problem, lab.prior).items():
        same = torch.equal(tensor, lab.main.held[name])
        expect(same, f"expected {name} untouched; it was modified in place; copy it first")
    return f"y, {', '.join(lab.main.held)} are untouched"


@dataclass(frozen=True)
class Watched(Problem):
    """A problem that remembers whether its noise level was read."""

    reads: list[float] = field(default_factory=list)  # shared by copies

    @property
    def sigma(self) -> float:
        self.reads.append(SIGMA)
        return SIGMA


def sigma(lab: SolverLab) -> str:
    if lab.solver.needs_sigma:
        return _sigma_is_used(lab)
    problem = Watched(lab.main.problem.A, SIGMA, "conformance", "conformance")
    with_sigma = lab.run(replace(lab.main, problem=problem, state=lab.prepare(problem))).x_hat
    advice = "declare needs_sigma = True, or do not read it"
    expect(not problem.reads, f"expected problem.sigma unread, since needs_sigma is False; it was read; {advice}")
    hidden = lab.run(replace(lab.case(lab.main.problem.A, sigma=None), y=lab.main.y)).x_hat
    same = torch.equal(with_sigma, hidden)
    expect(same, f"expected one result whether sigma_y is None or {SIGMA}; got two; {advice}")
    return f"one result whether sigma_y is None or {SIGMA}; problem.sigma is not read"


def _sigma_is_used(lab: SolverLab) -> str:
    level = 3 * SIGMA
    other = replace(lab.case(lab.main.problem.A, sigma=level), y=lab.main.y)
    differs = not torch.equal(lab.base.x_hat, lab.run(other).x_hat)
    text = f"expected different results for sigma_y {SIGMA} and {level:g}, since needs_sigma is True; got one"
    expect(differs, f"{text}; use problem.sigma, or declare needs_sigma = False and take hidden levels too")
    return f"different results for sigma_y {SIGMA} and {level:g}, as declared"


def gradients(lab: SolverLab) -> str:
    if lab.solver.needs_grad:
        return _gradients_are_used(lab)
    advice = "declare needs_grad = True"
    try:
        solved = lab.base
    except RuntimeError as error:
        lab.run(lab.main, inference=False)  # raises if the error has another reason than missing gradients
        raise Fault(f"expected it to run without gradients; got {error}; {advice}") from error
    expect(solved.backward == 0, f"expected no backward pass; got {solved.backward} rows through the prior; {advice}")
    return "runs under torch.inference_mode"


def _gradients_are_used(lab: SolverLab) -> str:
    base = lab.base
    try:
        without = lab.run(lab.main, inference=True)
    except RuntimeError:
        return "needs autograd, as declared"
    used = base.backward > 0 or not torch.equal(base.x_hat, without.x_hat)
    expect(used, "expected needs_grad = True to be needed; got the same result without gradients; declare it False")
    return "differs without autograd, as declared"


def truth(lab: SolverLab) -> str:
    other = lab.run(lab.main, truth="another decoy")
    same = torch.equal(lab.base.x_hat, other.x_hat)
    expect(same, "expected one result whatever the ground truth; got two; use what solve is given, never the stack")
    return "the same bits with another ground truth in the runner's frame"


def counted(lab: SolverLab) -> str:
    base = lab.base
    text = f"expected the runner to count every evaluation; it counted {base.forward}, {base.evaluated} took place"
    expect(base.forward == base.evaluated, f"{text}; call prior.eps, x0 or eps_and_v of the prior that solve is given")
    return f"{base.forward} evaluations of {len(ALL)} rows, all counted"


def nfe(lab: SolverLab) -> str:
    promised = getattr(lab.solver, "nfe", None)
    if promised is None and lab.base.evaluated == 0:
        raise NotApplicable("calls no network and promises no number of calls")
    calls = [solved.calls for solved in (lab.base, lab.alone, *lab.halves)]
    expect(len(set(calls)) == 1, f"expected one number of calls per image; got {calls} for batches of 4, 1, 2, 2")
    if promised is None:
        return f"{calls[0]:g} calls per image in every batch; there is no field 'nfe'"
    agrees = calls[0] == promised
    expect(agrees, f"expected nfe = {promised} calls per image; got {calls[0]:g}; let nfe be the calls, or rename it")
    return f"nfe = {promised} is {calls[0]:g} calls per image in every batch"


def few_calls(lab: SolverLab) -> str:
    labs = {calls: other for calls in (1, 2) if (other := lab.with_calls(calls))}
    if not labs:
        raise NotApplicable("has no number of calls to choose, or refuses one and two")
    usual = lab.change(lab.main)
    if usual == 0:
        raise NotApplicable("ignores y with any number of calls")
    for calls, other in labs.items():
        change = other.change(other.main)
        text = f"expected {calls} network call(s) to use y; exchanging measurements changes x_hat by {change:.2g}"
        advice = "begin where the noise is greatest, or refuse so few calls with a ConfigError"
        expect(change >= USED * usual, f"{text}, with more calls by {usual:.2g}; {advice}")
    return f"uses y with {' and '.join(map(str, labs))} calls"


def complex_y(lab: SolverLab) -> str:
    case = lab.case(PairedMeans(SHAPE))  # not applicable if the solver skips it
    try:
        x_hat = lab.run(case).x_hat
    except InvbenchError as error:
        return f"refuses complex measurements: {error}"
    advice = "make noise and images from y.real.new_empty, residuals by abs(), or skip where A.measures_complex"
    expect(not x_hat.is_complex(), f"expected real images of complex measurements; got {x_hat.dtype}; {advice}")
    real, imaginary = (replace(case, y=y) for y in (-case.y.conj(), case.y.conj()))
    blind = torch.equal(x_hat, lab.run(imaginary).x_hat) and not torch.equal(x_hat, lab.run(real).x_hat)
    expect(not blind, f"expected the imaginary part of y to matter; got the same images with its negative; {advice}")
    return "restores complex measurements, both parts"


def consistency(lab: SolverLab) -> str:
    if not lab.solver.consistent:
        raise NotApplicable("does not claim 'consistent', A(x_hat) -> y as sigma_y -> 0")
    misfits = []
    for A in (BlockMean(SHAPE, 4), Identity(SHAPE)):
        case = lab.case(A, sigma=CLEAN, noise=CLEAN)
        misfits.append(_rms(A(lab.run(case).x_hat) - case.y))
        text = f"for {type(A).__name__} at sigma {CLEAN} expected |A(x_hat) - y| below {FIT} rms; got {misfits[-1]:.3f}"
        expect(misfits[-1] <= FIT, f"{text}; project at the end, or do not declare 'consistent'")
    return f"|A(x_hat) - y| is {max(misfits):.4f} rms at sigma {CLEAN}"


def device(lab: SolverLab) -> str:
    short = lab.with_calls(2) or lab
    several = len(short.cases) if short.alone.calls <= SHORT[0] else 1  # operations take ten times as long there
    with another_device() as there:
        other = short.on(there)
        for case, moved in list(zip(short.cases, other.cases, strict=True))[:several]:
            here, x_hat = short.run(case, rows=[0]).x_hat, other.run(moved, rows=[0]).x_hat
            off = same_there(f"x_hat of {_name(case)}", x_hat, here, there)
        if not isinstance(lab.solver, Trainable):
            return f"on another device than the CPU the same images, to {off:.1e}"
        x_hat = other.run(other.trained()).x_hat
        expect(bool(x_hat.isfinite().all()), "expected finite images after a step of training; look for x / 0")
    return f"on another device than the CPU the same images, to {off:.1e}, and a step of training"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        *(shape, finite, dtype, bfloat16),
        *(batch, order, shard, identical, repeat, seed, global_rng),
        *(inputs, sigma, gradients, truth, counted, nfe, few_calls, complex_y, consistency, device),
    )
}


def _same_rows(a: Tensor, b: Tensor, what: str, advice: str) -> str:
    off = float((a - b).abs().max() / b.abs().max().clamp(min=1))
    if not off <= SAME_ROW:
        raise Fault(f"expected {what} to agree to {SAME_ROW:g}; they differ by {off:.1e}; {advice}")
    return f"{what} agree to {off:.1e}"


def _rms(x: Tensor) -> float:
    return float(x.double().square().mean().sqrt())


def _name(case: Case) -> str:
    return type(case.problem.A).__name__
