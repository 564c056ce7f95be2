"""Plugins that are broken on purpose, each in one way that the conformance kit must catch, and their good twins.

``ZOO`` holds (kind, class, the check that names the fault, what else then fails).
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

import invbench as ib
from invbench import Dataset, Metric, Operator, PriorSource, Rng, Shape, Solver, SVDOperator, Task
from invbench.linops import BlockMean, Identity
from invbench.noise import GaussianNoise, Noise, Sigma
from invbench.testing import solvers
from invbench.testing.problems import tiny_prior

ZOO: list[tuple[str, type[Any], str, frozenset[str]]] = []
TWINS: list[tuple[str, type[Any]]] = []


def twin(kind: str) -> Callable[[type[Any]], type[Any]]:
    """Register a plugin without fault."""

    def register(cls: type[Any]) -> type[Any]:
        cls.name = cls.__name__.lower()
        TWINS.append((kind, cls))
        return cls

    return register


def broken(kind: str, check: str, also: str = "") -> Callable[[type[Any]], type[Any]]:
    """Register a broken plugin under the check that names its fault."""

    def register(cls: type[Any]) -> type[Any]:
        cls.name = cls.__name__.lower()
        ZOO.append((kind, cls, check, frozenset(also.split())))
        return cls

    return register


# Solvers. The good twin adds a little noise to the pseudo-inverse and denoises it, in one network call.

LEVEL = 100
ANY_TWO_CALLS = "batch order shard truth"  # what also fails where a second call gives another result
ALL_BUT_CLAIMS = " ".join(set(solvers.CHECKS) - {"consistency", "few_calls"})


def one_step(y: Tensor, A: Any, prior: Any, rng: Rng) -> Tensor:
    """Denoise H^+ y at one level: (B, *y_shape) -> (B, *x_shape)."""
    abar = prior.alpha_bar(LEVEL)
    start = A.pinv(y)
    return prior.x0(abar**0.5 * start + (1 - abar) ** 0.5 * rng.randn_like(start), LEVEL)


@twin("solver")
@dataclass(frozen=True)
class GoodSolver(Solver):
    """Nothing is wrong with it."""

    operator_type: ClassVar[type[Operator]] = SVDOperator

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng)


@twin("solver")
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


@broken("solver", "identical", "bfloat16 order shard")
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


@broken("solver", "global_rng", "bfloat16")
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


@broken("solver", "truth")
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
        kept = torch.complex(y.real, torch.zeros_like(y.imag)) if y.is_complex() else y
        return one_step(kept, problem.A, prior, rng)


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


# Tasks. The good twin keeps the mean of blocks.


class Mean(Operator):
    """Block means without an SVD, for operators that break one law."""

    def __init__(self, x_shape: Shape) -> None:
        C, H, W = x_shape
        self.x_shape, self.y_shape = x_shape, (C, H // 2, W // 2)

    def _A(self, x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 2)


class MixesBatch(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x - x.mean(0))


class RandomInside(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x + 0.1 * torch.randn_like(x))


class Kinked(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x + (x - x).abs().sqrt())


class WrongShape(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return x


class AlwaysDouble(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x.double())


class AtLeastSingle(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x.to(torch.promote_types(x.dtype, torch.float32)))


class NotLinear(ib.LinearOperator):
    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class WrongAdjoint(ib.LinearOperator):
    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return x.roll(1, 2)

    def _At(self, y: Tensor) -> Tensor:
        return y.roll(1, 2)


class Unsorted(Identity):
    def __init__(self, x_shape: Shape) -> None:
        Identity.__init__(self, x_shape)
        self.s = torch.linspace(0.5, 1, len(self.s))


class StretchedV(BlockMean):
    """Right as a map, but the coefficients of the null space are not those of unit vectors."""

    def __init__(self, x_shape: Shape) -> None:
        BlockMean.__init__(self, x_shape, 2)

    def V(self, w: Tensor) -> Tensor:
        r = len(self.s)
        return BlockMean.V(self, torch.cat([w[:, :r], w[:, r:] / 2], 1))

    def Vt(self, x: Tensor) -> Tensor:
        w, r = BlockMean.Vt(self, x), len(self.s)
        return torch.cat([w[:, :r], 2 * w[:, r:]], 1)


class StretchedU(Identity):
    def U(self, z: Tensor) -> Tensor:
        return 2 * Identity.U(self, z)

    def Ut(self, y: Tensor) -> Tensor:
        return 2 * Identity.Ut(self, y)


@twin("task")
@dataclass(frozen=True)
class GoodTask(Task):
    """Nothing is wrong with it."""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        return BlockMean(x_shape, 2)


def task(made: Callable[[Shape], Operator], check: str, fault: str, also: str = "") -> None:
    """Register a task whose operator has a fault."""

    @dataclass(frozen=True)
    class Faulty(Task):
        def operator(self, x_shape: Shape, rng: Rng) -> Operator:
            return made(x_shape)

    Faulty.__name__, Faulty.__doc__ = made.__name__, f"{fault}; {check}."
    broken("task", check, also)(Faulty)


task(
    WrongShape,
    "shapes",
    "y has another shape than y_shape",
    "batch deterministic differentiable float32 bfloat16 noise",
)
task(MixesBatch, "batch", "Subtracts the mean of the batch")
task(RandomInside, "deterministic", "Draws noise in the operator", "batch float32 bfloat16 noise")
task(Kinked, "differentiable", "Its gradient is not finite")
task(NotLinear, "linear", "Clips, and derives from LinearOperator", "adjoint")
task(WrongAdjoint, "adjoint", "Shifts in the transpose the same way")
task(Unsorted, "sorted", "Singular values ascend")
task(StretchedV, "svd_orthogonal", "V is not orthogonal")
task(StretchedU, "pinv", "H^+ is not the pseudo-inverse", "svd_orthogonal")
task(AlwaysDouble, "float32", "Computes in float64 and returns it", "bfloat16")
task(AtLeastSingle, "bfloat16", "Returns float32 for bfloat16")


@broken("task", "deterministic", "noise")
@dataclass(frozen=True)
class OwnMask(Task):
    """Draws its mask from the process, not from rng; deterministic."""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        return ib.Selection(x_shape, torch.randperm(H * W)[: H * W // 2])


@broken("task", "noise")
@dataclass(frozen=True)
class DoubledNoise(Task):
    """Doubles the level on its way from [0, 1] to [-1, 1], once too often; noise."""

    @property
    def noise_model(self) -> Noise:
        return GaussianNoise(Sigma(2 * ib.parse_noise(self.noise).sigma_y, "[-1,1]"))

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        return Identity(x_shape)


# Metrics. The good twin is the mean absolute error.


@twin("metric")
class GoodMetric(Metric):
    """Nothing is wrong with it."""

    protocol: ClassVar[str] = "mae/range2/float"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, x_hat, measurement):
        return (x_hat - measurement.x).abs().flatten(1).mean(1)


@broken("metric", "values", "batch")
class MeanOfAll(GoodMetric):
    """One number for the batch; values."""

    def __call__(self, x_hat, measurement):
        return (x_hat - measurement.x).abs().mean()


@broken("metric", "batch")
class RelativeToBatch(GoodMetric):
    """Divides by the range of the batch; batch."""

    def __call__(self, x_hat, measurement):
        return GoodMetric.__call__(self, x_hat, measurement) / (x_hat.max() - x_hat.min())


@broken("metric", "repeat", "batch")
class RandomPatches(GoodMetric):
    """Looks at pixels drawn anew; repeat."""

    def __call__(self, x_hat, measurement):
        keep = torch.rand_like(x_hat[:1]) < 0.5
        return (keep * (x_hat - measurement.x)).abs().flatten(1).mean(1)


@broken("metric", "inputs")
class ClipsInPlace(GoodMetric):
    """Clips the reconstruction it was given; inputs."""

    def __call__(self, x_hat, measurement):
        return (x_hat.clamp_(-1, 1) - measurement.x).abs().flatten(1).mean(1)


@broken("metric", "protocol")
class NoProtocol(GoodMetric):
    """Does not say what its number depends on; protocol."""

    protocol: ClassVar[str] = ""


@broken("metric", "best")
class WrongWay(GoodMetric):
    """An error that is said to be better when higher; best."""

    higher_is_better: ClassVar[bool | None] = True


# Datasets. The good twin draws two ramps.


@twin("dataset")
@dataclass(frozen=True)
class GoodDataset(Dataset):
    """Nothing is wrong with it."""

    @property
    def x_shape(self) -> Shape:
        return (3, 4, 6)

    def ids(self) -> Sequence[str]:
        return ["a", "b"]

    def load(self, image_id: str) -> Tensor:
        return torch.linspace(-1, 1 if image_id == "a" else 0, math.prod(self.x_shape)).reshape(self.x_shape)


@broken("dataset", "ids")
@dataclass(frozen=True)
class TwiceTheSame(GoodDataset):
    """Two images with one id; ids."""

    def ids(self) -> Sequence[str]:
        return ["a", "b", "a"]


@broken("dataset", "ids")
@dataclass(frozen=True)
class Shuffled(GoodDataset):
    """Another order at every call; ids."""

    calls: ClassVar[list[int]] = []

    def ids(self) -> Sequence[str]:
        self.calls.append(1)
        return ["a", "b"][:: 1 if len(self.calls) % 2 else -1]


@broken("dataset", "repeat")
@dataclass(frozen=True)
class Augmented(GoodDataset):
    """Another crop at every load; repeat."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id) * torch.rand(1)


@broken("dataset", "shape")
@dataclass(frozen=True)
class Transposed(GoodDataset):
    """Height and width swapped; shape."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id).transpose(1, 2)


@broken("dataset", "dtype")
@dataclass(frozen=True)
class Doubles(GoodDataset):
    """Images in float64; dtype."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id).double()


@broken("dataset", "range")
@dataclass(frozen=True)
class Bytes(GoodDataset):
    """Values from 0 to 255; range."""

    def load(self, image_id: str) -> Tensor:
        return 127.5 * (GoodDataset.load(self, image_id) + 1)


# Priors. The good twin is a mixture.


@twin("prior")
@dataclass(frozen=True)
class GoodPrior(PriorSource):
    """Nothing is wrong with it."""

    def load(self, x_shape: Shape, device: Any) -> ib.Prior:
        return tiny_prior(x_shape)[0]

    def fingerprint(self) -> str:
        return 64 * "0"


def prior(name: str, check: str, fault: str, change: Callable[[Any], Any], also: str = "") -> None:
    """Register a prior that is a good one, changed."""

    @dataclass(frozen=True)
    class Faulty(GoodPrior):
        def load(self, x_shape: Shape, device: Any) -> ib.Prior:
            return change(GoodPrior.load(self, x_shape, device))

    Faulty.__name__, Faulty.__doc__ = name, f"{fault}; {check}."
    broken("prior", check, also)(Faulty)


def upside_down(prior: Any) -> Any:
    prior.abar = prior.abar.flip(0)
    return prior


def predicting(change: Callable[[Tensor, Any, Tensor], Tensor]) -> Callable[[Any], Any]:
    """A prior whose prediction is changed: x_t, t, eps -> eps."""

    class Changed(ib.GmmPrior):
        def _predict(self, x_t: Tensor, t: Any) -> tuple[Tensor, None]:
            return change(x_t, t, ib.GmmPrior._predict(self, x_t, t)[0]), None

    return lambda prior: Changed(prior.mixture, prior.x_shape)


prior("UpsideDown", "abar", "abar rises with t", upside_down)
prior("SixChannels", "shape", "Returns the variance's channels too", predicting(lambda x, t, e: torch.cat([e, e], 1)))
prior("Infinite", "finite", "Divides by zero at the first level", predicting(lambda x, t, e: e / t), "times")
prior("BatchNormed", "batch", "Normalises over the batch", predicting(lambda x, t, e: e - e.mean(0)), "times")
prior(
    "FirstStep",
    "times",
    "Takes the first row's step for all",
    lambda prior: predicting(lambda x, t, e: e if isinstance(t, int) else prior.eps(x, int(t[0])))(prior),
)


@broken("prior", "fingerprint")
@dataclass(frozen=True)
class NoHash(GoodPrior):
    """A version instead of a hash; fingerprint."""

    def fingerprint(self) -> str:
        return "v1"
