"""Broken solvers. The control adds a little noise to the pseudo-inverse and denoises it, in one network call."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

import invbench as ib
from invbench import Operator, Rng, Solver, SVDOperator
from invbench.testing import solvers
from zoo.register import broken, control

LEVEL = 100
ANY_TWO_CALLS = "batch order shard truth device"  # what also fails where a second call gives another result
ALL_BUT_CLAIMS = " ".join(set(solvers.CHECKS) - {"consistency", "few_calls"})


def one_step(y: Tensor, A: Any, prior: Any, rng: Rng) -> Tensor:
    """Denoise H^+ y at one level: (B, *y_shape) -> (B, *x_shape)."""
    abar = prior.alpha_bar(LEVEL)
    start = A.pinv(y)
    return prior.x0(abar**0.5 * start + (1 - abar) ** 0.5 * rng.randn_like(start), LEVEL)


@control("solver")
@dataclass(frozen=True)
class GoodSolver(Solver):
    """Nothing is wrong with it."""

    operator_type: ClassVar[type[Operator]] = SVDOperator

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng)


@control("solver")
@dataclass(frozen=True)
class GoodEverywhere(Solver):
    """A gradient solver of any operator that uses all it declares."""

    needs_sigma: ClassVar[bool] = True
    needs_grad: ClassVar[bool] = True
    nfe: int = 50

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = 0.1 * rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for _ in range(self.nfe):
            x = x.detach().requires_grad_()
            misfit = (y - problem.A(prior.x0(x, LEVEL))).abs().square().sum()
            x = x - 0.01 / (1 + problem.sigma) * torch.autograd.grad(misfit, x)[0]
        return x


@dataclass(frozen=True)
class _Bad(Solver):
    operator_type: ClassVar[type[Operator]] = SVDOperator


@broken("solver", "shape", "complex_y")
@dataclass(frozen=True)
class LikeY(Solver):
    """Returns an image of the shape of y; shape."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return prior.x0(y, LEVEL) if y.shape[1:] == prior.x_shape else y


@broken("solver", "shape")
@dataclass(frozen=True)
class Square(_Bad):
    """Takes images for square and swaps their sides; shape."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng).transpose(2, 3)


@broken("solver", "finite", "bfloat16 batch order shard identical")
@dataclass(frozen=True)
class NotFinite(_Bad):
    """Divides by zero; finite."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) / 0


@broken("solver", "dtype", "bfloat16")
@dataclass(frozen=True)
class Double(_Bad):
    """Returns float64; dtype."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng).double()


@broken("solver", "bfloat16")
@dataclass(frozen=True)
class SingleOnly(_Bad):
    """Returns float32 whatever it got; bfloat16."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng).float()


@broken("solver", "batch", "shard")
@dataclass(frozen=True)
class BatchNorm(_Bad):
    """Divides by a norm over the whole batch, as a well-known code does; batch."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        return x / x.norm()


@broken("solver", "order", "shard identical")
@dataclass(frozen=True)
class RowOrder(_Bad):
    """Smooths every row with the one before it; order."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        return (x + x.roll(1, 0)) / 2


@broken("solver", "shard", "batch")
@dataclass(frozen=True)
class BatchSize(_Bad):
    """Takes a step that shrinks with the size of the batch; shard."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) / len(y)


@broken("solver", "identical", "bfloat16 order shard device")
@dataclass(frozen=True)
class OneGenerator(_Bad):
    """Draws all rows from one generator of its own; identical."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        noise = torch.randn(len(y), *problem.x_shape, generator=torch.Generator().manual_seed(0))
        return one_step(y, problem.A, prior, rng) + 0.1 * noise


@broken("solver", "repeat", f"{ANY_TWO_CALLS} seed global_rng sigma")
@dataclass(frozen=True)
class Memory(_Bad):
    """Starts from where the last call ended; repeat."""

    last: ClassVar[list[Tensor]] = []

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        self.last.append(x.mean())
        return x + 0.1 * sum(self.last)


@broken("solver", "repeat", f"{ANY_TWO_CALLS} seed global_rng bfloat16")
@dataclass(frozen=True)
class StateMemory(_Bad):
    """Writes into what prepare returned; repeat."""

    def prepare(self, problem, prior):
        return {"calls": 0}

    def solve(self, y, problem, prior, state, rng, on_step=None):
        state["calls"] += 1
        return one_step(y, problem.A, prior, rng) / state["calls"]


@broken("solver", "seed", f"{ANY_TWO_CALLS} repeat global_rng sigma bfloat16")
@dataclass(frozen=True)
class SeedZero(_Bad):
    """Treats seed 0 as no seed; seed."""

    seed: int = 0

    def solve(self, y, problem, prior, state, rng, on_step=None):
        g = torch.Generator()
        if self.seed:
            g.manual_seed(self.seed)
        else:
            g.seed()
        return one_step(y, problem.A, prior, rng) + torch.randn(problem.x_shape, generator=g)


@broken("solver", "global_rng", f"{ANY_TWO_CALLS} repeat seed sigma bfloat16")
@dataclass(frozen=True)
class GlobalDraw(_Bad):
    """Draws from torch's global generator; global_rng."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) + torch.randn(problem.x_shape)


@broken("solver", "global_rng", "bfloat16 device")
@dataclass(frozen=True)
class GlobalSeed(_Bad):
    """Seeds the process, so that its own results repeat; global_rng."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        torch.manual_seed(0)
        return one_step(y, problem.A, prior, rng) + torch.randn(problem.x_shape)


@broken("solver", "inputs")
@dataclass(frozen=True)
class InPlace(_Bad):
    """Modifies y; inputs."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        y *= 0.5
        return one_step(y, problem.A, prior, rng)


@broken("solver", "inputs")
@dataclass(frozen=True)
class InPlacePrior(_Bad):
    """Lifts the lowest levels of the schedule for whoever comes next; inputs."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        prior.abar.clamp_(min=1e-3)
        return one_step(y, problem.A, prior, rng)


@broken("solver", "sigma")
@dataclass(frozen=True)
class ReadsSigma(_Bad):
    """Reads the noise level and does not declare it; sigma."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) / (1 + problem.sigma)


@broken("solver", "sigma")
@dataclass(frozen=True)
class GuessesSigma(_Bad):
    """Takes 0.01 where the level is hidden, as a well-known library does; sigma."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) / (1 + (problem.sigma_y or 0.01))


@broken("solver", "sigma")
@dataclass(frozen=True)
class UnusedSigma(_Bad):
    """Declares needs_sigma without need, which costs it the tasks that hide the level; sigma."""

    needs_sigma: ClassVar[bool] = True

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng)


@broken("solver", "gradients", ALL_BUT_CLAIMS.replace("gradients", ""))
@dataclass(frozen=True)
class UndeclaredGradient(Solver):
    """Differentiates through the prior and does not declare it; gradients."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = y.new_zeros(len(y), *problem.x_shape).requires_grad_()
        return torch.autograd.grad((y - problem.A(prior.x0(x, LEVEL))).square().sum(), x)[0]


@broken("solver", "gradients")
@dataclass(frozen=True)
class UnusedGradient(_Bad):
    """Declares needs_grad without need, which costs memory; gradients."""

    needs_grad: ClassVar[bool] = True

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng)


@broken("solver", "truth", "device")
@dataclass(frozen=True)
class Peeks(_Bad):
    """Finds the ground truth in the caller's frame; truth."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        frame = sys._getframe()
        while frame := frame.f_back:
            for value in frame.f_locals.values():
                if isinstance(value, ib.Measurement):
                    return value.x.to(y.real.dtype)
        return one_step(y, problem.A, prior, rng)


@broken("solver", "counted")
@dataclass(frozen=True)
class Bypass(_Bad):
    """Calls the network behind the counter; counted."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = problem.A.pinv(y)
        return prior.to_x0(x, prior._predict(x, LEVEL)[0], LEVEL)


@broken("solver", "counted")
@dataclass(frozen=True)
class CopiedNetwork(_Bad):
    """Calls a copy of the prior that nobody counts; counted."""

    def prepare(self, problem, prior):
        return copy.deepcopy(prior)

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, state, rng)


@broken("solver", "nfe")
@dataclass(frozen=True)
class LyingNfe(_Bad):
    """Makes two calls a step and promises one; nfe."""

    nfe: int = 5

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return sum(one_step(y, problem.A, prior, rng) for _ in range(2 * self.nfe)) / (2 * self.nfe)


@broken("solver", "nfe")
@dataclass(frozen=True)
class CallsByBatch(_Bad):
    """Makes more calls for larger batches; nfe."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        for _ in range(len(y)):
            prior.eps(x, LEVEL)
        return x


@broken("solver", "few_calls")
@dataclass(frozen=True)
class LateStart(_Bad):
    """Takes noise for an image where it has one call; few_calls."""

    nfe: int = 5

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for _ in range(self.nfe):
            x0 = prior.x0(x, 0)
            x = x0 + problem.A.pinv(y - problem.A(x0))
        return x0


@broken("solver", "complex_y")
@dataclass(frozen=True)
class RealPart(_Bad):
    """Drops the imaginary part of y; complex_y."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        real_part = torch.complex(y.real, torch.zeros_like(y.imag)) if y.is_complex() else y
        return one_step(real_part, problem.A, prior, rng)


@broken("solver", "consistency")
@dataclass(frozen=True)
class FalseClaim(_Bad):
    """Claims to fit clean measurements and returns half of what would; consistency."""

    consistent: ClassVar[bool] = True

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) / 2


@broken("solver", "shape", ALL_BUT_CLAIMS)
@dataclass(frozen=True)
class Crashes(_Bad):
    """Raises in every call, with an assertion of its own; shape, and most others."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        raise AssertionError("a bug of its own")
