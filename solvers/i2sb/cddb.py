"""CDDB: consistent direct diffusion bridge (Chung et al., NeurIPS 2023), Algorithms 1 and 2, on I2SB's networks.

A step of I2SB, and one of gradient descent on ||H x0_hat - y||^2: with respect to the predicted image, or ("deep") to
the point it was predicted from, through the network.

The size of that step, 1 in the official code, is for the sum over pixels. Where H keeps pixels as they are, 1 reflects
them at the measurement, and what is left of its noise with them; 0.5 puts them on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench import ConfigError, LinearOperator, Operator, Problem, hookimpl

from .solver import I2SB

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CDDB(I2SB):
    """I2SB whose predicted images are drawn to the measurement, by steps of size ``rho``. Options as of i2sb."""

    name: ClassVar[str] = "cddb"
    summary: ClassVar[str] = "I2SB with gradient steps to the measurement"
    paper: ClassVar[str] = "arXiv:2305.19809, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{chung2023direct, title={Direct Diffusion Bridge using Data Consistency for Inverse Problems}, "
        "author={Chung, Hyungjin and Kim, Jeongsol and Ye, Jong Chul}, booktitle={NeurIPS}, year={2023}}"
    )
    operator_type: ClassVar[type[Operator]] = LinearOperator
    clip: bool = True
    rho: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rho < math.inf:
            raise ConfigError(f"{self.name}: the step size rho must not be negative; got {self.rho}")

    def correction(self, x0_hat: Tensor, x_a: Tensor, y: Tensor, problem: Problem, share: float) -> Tensor:
        """mu_x0 rho times the gradient with respect to x0_hat, 2 H^T (H x0_hat - y)."""
        A = problem.A
        assert isinstance(A, LinearOperator)
        return share * self.rho * 2 * A.T(A(x0_hat) - y)


@dataclass(frozen=True)
class CDDBDeep(CDDB):
    """CDDB whose gradient goes through the network; costs a backward pass a step. Options as of cddb."""

    name: ClassVar[str] = "cddb_deep"
    summary: ClassVar[str] = "I2SB with gradient steps to the measurement, through the network"
    paper: ClassVar[str] = "arXiv:2305.19809, Alg. 2"
    needs_grad: ClassVar[bool] = True

    def correction(self, x0_hat: Tensor, x_a: Tensor, y: Tensor, problem: Problem, share: float) -> Tensor:
        """rho times the gradient of ||H x0_hat(x_a) - y||^2 with respect to x_a."""
        import torch

        misfit = (problem.A(x0_hat) - y).square().sum()
        return self.rho * torch.autograd.grad(misfit, x_a)[0]


@hookimpl
def invbench_register_solvers() -> list[type[I2SB]]:
    return [CDDB, CDDBDeep]
