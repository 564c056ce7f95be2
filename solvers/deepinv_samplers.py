"""Samplers of the library deepinv, as they are there, on our problems and with our priors.

The images of deepinv are in [0, 1]: the measurement, its noise and the prior are turned into that range
(:func:`invbench.to_physics`, :func:`invbench.to_denoiser`) and the result back. A row is restored at a time, since
deepinv draws a batch from one generator. They compute in float32, DPS its steps in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import ConfigError, DataError, OnStep, Operator, Prior, Problem, Rng, Solver, SVDOperator, hookimpl

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class DeepinvSampler(Solver):
    """What the samplers share: the library, prepared once, and that measurements are real."""

    bibtex: ClassVar[str] = (
        "@article{tachella2025deepinverse, title={DeepInverse: A Python package for solving imaging inverse problems "
        "with deep learning}, author={Tachella, Julian and others}, journal={Journal of Open Source Software}, "
        "volume={10}, year={2025}, doi={10.21105/joss.08923}}"
    )

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        complex_y = problem.A.measures_complex
        return "takes real measurements; write the parts of complex ones as channels" if complex_y else None

    def prepare(self, problem: Problem, prior: Prior) -> Any:
        return samplers()


@dataclass(frozen=True)
class DeepinvDPS(DeepinvSampler):
    """deepinv.sampling.DPS: diffusion posterior sampling on ``nfe`` steps of a variance-preserving process.

    ``weight`` is of the gradient of the norm of the residual, ``alpha`` of the noise: 1 is DDPM's. It is given no
    level of noise.
    """

    name: ClassVar[str] = "deepinv_dps"
    summary: ClassVar[str] = "DPS of the library deepinv"
    paper: ClassVar[str] = "arXiv:2209.14687, as in deepinv"
    needs_grad: ClassVar[bool] = True
    nfe: int = 1000
    weight: float = 1.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        several(self.name, self.nfe)

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        physics, shape = ib.to_physics(problem.A), (1, *problem.x_shape)

        def restored(row: Tensor, seed: int) -> Tensor:
            own = Rng.for_batch(1, y.device, seed=seed).generators[0]
            options = {"alpha": self.alpha, "weight": self.weight, "num_steps": self.nfe + 1, "rng": own}
            model = state.DPS(ib.to_denoiser(prior), device=y.device, **options)
            return model(row, physics, x_init=shape)

        return row_by_row(restored, y, problem.A, rng)


@dataclass(frozen=True)
class DeepinvDDRM(DeepinvSampler):
    """deepinv.sampling.DDRM: spectral sampling over ``nfe`` levels, even from ``sigma_max``, on [0, 1], to 0."""

    name: ClassVar[str] = "deepinv_ddrm"
    summary: ClassVar[str] = "DDRM of the library deepinv"
    paper: ClassVar[str] = "arXiv:2201.11793, as in deepinv"
    operator_type: ClassVar[type[Operator]] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    nfe: int = 100
    eta: float = 0.85
    eta_b: float = 1.0
    sigma_max: float = 1.0

    def __post_init__(self) -> None:
        several(self.name, self.nfe)
        if not (0 <= self.eta <= 1 and 0 <= self.eta_b <= 1 and self.sigma_max > 0):
            raise ConfigError(f"{self.name}: needs eta and eta_b in [0, 1], and sigma_max above 0")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import numpy as np

        physics, levels = ib.to_physics(problem.A, problem.sigma), np.linspace(self.sigma_max, 0, self.nfe)
        model = state.DDRM(ib.to_denoiser(prior), sigmas=levels, eta=self.eta, etab=self.eta_b)
        return row_by_row(lambda row, seed: model(row, physics, seed=seed), y, problem.A, rng)


@dataclass(frozen=True)
class DeepinvDiffPIR(DeepinvSampler):
    """deepinv.sampling.DiffPIR: plug-and-play restoration in ``nfe`` steps; ``lambda_`` and ``zeta`` as there."""

    name: ClassVar[str] = "deepinv_diffpir"
    summary: ClassVar[str] = "DiffPIR of the library deepinv"
    paper: ClassVar[str] = "arXiv:2305.08995, as in deepinv"
    operator_type: ClassVar[type[Operator]] = ib.LinearOperator
    needs_sigma: ClassVar[bool] = True
    nfe: int = 100
    zeta: float = 0.1
    lambda_: float = 7.0

    def __post_init__(self) -> None:
        several(self.name, self.nfe)
        if not (0 <= self.zeta <= 1 and self.lambda_ > 0):
            raise ConfigError(f"{self.name}: needs zeta in [0, 1] and lambda_ above 0")

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        return super().skip(problem, prior) or (
            None if problem.sigma > 0 else "divides by the level of the noise, which is 0"
        )

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        from deepinv.optim.data_fidelity import L2

        physics = ib.to_physics(problem.A, problem.sigma).to(y.device)
        options = {"max_iter": self.nfe, "zeta": self.zeta, "lambda_": self.lambda_, "sigma": problem.sigma / 2}
        model = state.DiffPIR(ib.to_denoiser(prior), L2(), device=y.device, **options)
        return row_by_row(lambda row, seed: model(row, physics, seed=seed), y, problem.A, rng)


def several(name: str, nfe: int) -> None:
    """Raise ConfigError for fewer than two calls, in which y is not used, or more than there are steps."""
    if not 2 <= nfe <= 1000:
        raise ConfigError(f"{name}: needs nfe from 2 to 1000; got {nfe}")


def samplers() -> Any:
    """The module deepinv.sampling. Raises DataError if deepinv is absent."""
    try:
        import deepinv.sampling
    except ImportError:
        raise DataError("samplers of deepinv need the package: pip install 'invbench[deepinv]'") from None
    return deepinv.sampling


def row_by_row(restored: Callable[[Tensor, int], Tensor], y: Tensor, A: Operator, rng: Rng) -> Tensor:
    """x of y, a row at a time; ``restored`` makes u in [0, 1] of a measurement of such, and a seed that is not 0."""
    import torch

    seeds = 1 + rng.integers(2**31 - 1, ())
    with own_generators(y.device):
        measured = ib.unit_measurement(y.float(), A)
        rows = [restored(measured[i : i + 1], int(seed)) for i, seed in enumerate(seeds)]
    return (2 * torch.cat(rows).detach() - 1).to(y.dtype)


@contextmanager
def own_generators(device: torch.device) -> Iterator[None]:
    """The process's generators, which deepinv seeds, are put back afterwards."""
    import numpy as np
    import torch

    state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        np.random.set_state(state)


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DeepinvDPS, DeepinvDDRM, DeepinvDiffPIR]
