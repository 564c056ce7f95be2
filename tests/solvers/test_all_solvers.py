"""Every solver: what it costs, that rows do not interact, what it holds on to, which options it refuses."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import Any

import pytest
import torch
from dense import ABAR, draw, stride
from extras import skip_without_its_library
from invbench_solvers.bicubic import Bicubic
from invbench_solvers.pinv import PseudoInverse
from invbench_solvers.wiener import Wiener
from solving import CATALOG, first_pixel, make, restore, solve, two_modes, unaided
from torch import Tensor

import invbench as ib
from invbench.solver import declared_mismatch

COSTS = {  # network evaluations per image, forward and backward, at the defaults or the options given
    ("ddim", ()): (100, 0),
    ("ddrm", ()): (20, 0),
    ("ddnm", ()): (100, 0),
    ("ddnm_plus", ()): (100, 0),
    ("ddnm_plus", (("steps", 50), ("travel_repeat", 2))): (99, 0),
    ("ddnm", (("travel_length", 10), ("travel_repeat", 3))): (280, 0),
    ("pigdm", ()): (100, 100),
    ("diffpir", ()): (100, 0),
    ("dps", ()): (1000, 1000),
    ("mcg", ()): (1000, 1000),
    ("red_diff", ()): (1000, 0),
    ("fps", ()): (999, 0),
    ("fps", (("particles", 3),)): (2997, 0),
    ("dmps", ()): (1000, 0),
    ("daps", (("steps", 20), ("langevin_steps", 5))): (100, 0),
}
SAMPLERS = sorted({name for name, _ in COSTS})
SHORT: dict[str, dict[str, Any]] = {
    **{name: {"nfe": 50} for name in ("dps", "mcg", "red_diff", "dmps")},
    "daps": {"steps": 10, "langevin_steps": 10},
}


@pytest.mark.parametrize(("name", "options"), COSTS, ids=str)
def test_network_calls_are_the_closed_form(name: str, options: tuple[tuple[str, Any], ...]) -> None:
    _, meter = restore(make(name, **dict(options)), torch.zeros(2, 1, 1), first_pixel(), 0.1)
    assert (meter.forward / 2, meter.backward / 2) == COSTS[name, options]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_row_does_not_depend_on_the_batch(name: str) -> None:
    y = torch.tensor([0.3, -0.5, 0.3]).double().reshape(3, 1, 1)
    solver = make(name, **SHORT.get(name, {}))
    together, _ = restore(solver, y, first_pixel(), 0.1)
    alone, _ = restore(solver, y[:1], first_pixel(), 0.1)
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-7)
    assert together.isfinite().all()


@pytest.mark.parametrize("solver", [PseudoInverse(), Wiener(), Bicubic()], ids=lambda s: s.name)
def test_a_row_that_no_network_sees_does_not_depend_on_the_batch(solver: ib.Solver) -> None:
    A, y = ib.BlockMean((3, 8, 8), 2), draw(3, 3, 4, 4)
    singles = torch.cat([unaided(solver, A, y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(unaided(solver, A, y), singles, rtol=1e-6, atol=1e-6)


def problems() -> list[tuple[str, ib.Operator]]:
    clip = CATALOG.get("task", "hdr")().operator((1, 4, 4), ib.Rng.single())
    return [("means", ib.BlockMean((1, 4, 4), 2)), ("identity", ib.Identity((1, 4, 4))), ("clip", clip)]


def short(name: str) -> ib.Solver:
    cls = CATALOG.plugins["solver"][name].cls
    return cls(**{f.name: 20 for f in dataclasses.fields(cls) if f.name in ("nfe", "steps")})


@pytest.mark.parametrize(("label", "A"), problems(), ids=[label for label, _ in problems()])
@pytest.mark.parametrize("name", sorted(CATALOG.plugins["solver"]))
def test_twins_in_a_batch_are_equal_to_each_other_and_to_one_alone(name: str, label: str, A: ib.Operator) -> None:
    """In float64: a processor may sum the rows of a batch in another order, by its kernels, and a sampler amplifies
    that. MCG of 20 steps does so 1500-fold (1e-4 in float32, 1e-12 here); 1e-7 is also what a float32 result rounds to.
    """
    if issubclass(CATALOG.plugins["solver"][name].cls, ib.Trainable):
        pytest.skip("needs training")
    skip_without_its_library(name)
    solver, prior = short(name), ib.GmmPrior(two_modes(16), (1, 4, 4))
    problem = ib.Problem(A, 0.1, label, "gmm")
    if reason := declared_mismatch(solver, problem) or solver.skip(problem, prior):
        pytest.skip(reason)
    y = 0.5 * ib.Rng.for_images(["y"]).randn(A.y_shape).double()
    twins = solve(solver, y.repeat(2, 1, 1, 1), A, 0.1, prior, ["a", "a"])
    alone = solve(solver, y, A, 0.1, prior, ["a"])
    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=1e-7)
    torch.testing.assert_close(twins[:1], alone, rtol=0, atol=1e-7)


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((name, "nfe") for name in ("ddrm", "diffpir", "pigdm", "dps", "mcg", "red_diff")),
        ("ddnm", "steps"),
        ("daps", "steps"),
        ("ddnm_plus", "steps"),
    ],
)
def test_few_calls_use_the_measurement_or_are_refused(name: str, key: str, calls: int) -> None:
    """Super-resolution of a bright and a dark patch, swapped: what does not change was made of noise alone."""
    try:
        solver = make(name, **{key: calls})
    except ib.ConfigError:
        assert calls == 1
        return
    A = ib.BlockMean((3, 16, 16), 4)
    y = A(torch.stack([torch.full((3, 16, 16), level) for level in (0.5, -0.5)]))
    bright, _ = restore(solver, y, A, 0.05, ib.patch_mixture())
    dark, _ = restore(solver, y.flip(0), A, 0.05, ib.patch_mixture())
    assert float((bright - dark).mean((1, 2, 3)).abs().min()) > 0.1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ddim", {"nfe": 0}, "between 1 and 1000 steps"),
        ("ddnm", {"eta": 2.0}, r"eta must lie in \[0, 1\]"),
        ("ddnm_plus", {"travel_length": 0}, "at least 1"),
        ("dps", {"zeta": -1.0}, "zeta must not be negative"),
        ("pigdm", {"eta": -1.0}, "eta must not be negative"),
        ("diffpir", {"zeta": 2.0}, "zeta in"),
        ("red_diff", {"weight": "sqare"}, "did you mean 'square'"),
        *((name, {"nfe": 1}, "needs nfe of at least 2; got 1") for name in ("ddrm", "diffpir", "pigdm", "dps", "mcg")),
        ("ddnm_plus", {"steps": 1}, "needs steps of at least 2; got 1"),
        ("fps", {"particles": 0}, "particles >= 1"),
        ("fps", {"weights": "none"}, "'published' or 'ratio'"),
        ("mcg", {"zeta": -1.0}, "zeta must not be negative"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        make(name, **options)


# Memory.


class Watch(ib.Prior):
    """A prior whose graph keeps x_t, and which counts, at every call, the tensors of earlier calls still alive."""

    def __init__(self) -> None:
        self.x_shape, self.abar = (1, 4, 4), torch.from_numpy(ABAR)
        self.seen: list[weakref.ref[Tensor]] = []
        self.alive: list[int] = []
        self.histories = 0  # how often x_t came with a graph behind it

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        self.alive.append(sum(ref() is not None for ref in self.seen))
        self.histories += x_t.grad_fn is not None
        eps = x_t.sin()  # saves its argument for the backward pass
        self.seen += [weakref.ref(x_t), weakref.ref(eps)]
        return eps, None


def watched(solver: ib.Solver) -> tuple[int, int]:
    """Most tensors alive at any call, and the number of calls with a history."""
    watch, A = Watch(), ib.BlockMean((1, 4, 4), 2)
    gc.collect()
    gc.disable()  # what only the collector frees counts as held
    try:
        solve(solver, torch.zeros(1, 1, 2, 2), A, 0.1, watch)
    finally:
        gc.enable()
    return max(watch.alive), watch.histories


@pytest.mark.parametrize("name", ["dps", "mcg", "pigdm", "red_diff"])
def test_memory_does_not_grow_with_the_number_of_steps(name: str) -> None:
    (few, some_history), (many, more_history) = (watched(make(name, nfe=nfe)) for nfe in (20, 60))
    assert few == many <= 2, "x_t and eps of the step before, until they are replaced"
    assert some_history == more_history == 0, "every step starts from a leaf"


def test_the_count_sees_a_graph_that_is_held() -> None:
    @dataclasses.dataclass(frozen=True)
    class Leaky(ib.Solver):
        name = "leaky"
        needs_grad = True
        nfe: int = 20

        def solve(
            self, y: Tensor, problem: ib.Problem, prior: ib.Prior, state: Any, rng: ib.Rng, on_step: Any = None
        ) -> Tensor:
            x_t = rng.randn_like(y.new_empty(1, 1, 4, 4)).requires_grad_()
            for t in stride(self.nfe):
                x_t = 0.9 * x_t + 0.1 * prior.eps(x_t, t)  # not detached
            return x_t

    for nfe in (20, 60):
        alive, histories = watched(Leaky(nfe))
        assert alive >= nfe - 1
        assert histories == nfe - 1
