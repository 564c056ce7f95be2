"""The Schroedinger bridge of I2SB (Liu et al., ICML 2023): its noise levels, its posterior and where it begins.

The index a runs from 0, the clean image, to 999, the degraded one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

import invbench as ib
from invbench import Operator, Rng

T = 1000


@dataclass(frozen=True)
class Bridge:
    """x_a between x_0 and x_1, beta symmetric in a; ``ot_ode`` takes its mean alone, the optimal-transport ODE.

    Of the tables, sigma_f(a)^2 sums beta up to a and sigma_b(a)^2 from a on, both with a itself; float64 (1000,).
    """

    beta_max: float
    ot_ode: bool

    def sigma_f(self, a: Tensor, like: Tensor) -> Tensor:
        """Noise between the clean image and a: (B,) indices -> (B, 1, 1, 1) as ``like``."""
        return _levels(self.beta_max, like.device)[0][a].to(like.dtype)[:, None, None, None]

    def point(self, x_0: Tensor, x_1: Tensor, a: Tensor, z: Tensor) -> Tensor:
        """A draw of q(x_a | x_0, x_1) (eq. 11); images and z (B, C, H, W), a (B,)."""
        forward, backward = (table[a][:, None, None, None] ** 2 for table in _levels(self.beta_max, x_0.device))
        total = forward + backward
        x_a = (backward / total).to(x_0.dtype) * x_0 + (forward / total).to(x_0.dtype) * x_1
        return x_a if self.ot_ode else x_a + (forward * backward / total).sqrt().to(x_0.dtype) * z

    def step(self, x_a: Tensor, x0_hat: Tensor, a: int, a_next: int, rng: Rng) -> Tensor:
        """A draw of p(x_a' | x0_hat, x_a), a' < a (eq. 4): without noise at a' = 0."""
        share = self.share(a, a_next)
        x_next = share * x0_hat + (1 - share) * x_a
        if self.ot_ode or a_next == 0:
            return x_next
        std = self._std(a_next) * share**0.5
        return x_next + std * rng.randn_like(x_a)

    def share(self, a: int, a_next: int) -> float:
        """mu_x0, the part of a step that the predicted image supplies."""
        before, after = self._std(a) ** 2, self._std(a_next) ** 2
        return (before - after) / before

    def _std(self, a: int) -> float:
        return _numbers(self.beta_max)[a]


def network_time(a: Tensor) -> Tensor:
    """What the network is given for index a: a level in [0.1, 1000], as the authors' networks are.

    >>> network_time(torch.tensor([0, 999]))
    tensor([1.0000e-01, 1.0000e+03])
    """
    return 1000 * (1e-4 + a / (T - 1) * (1 - 1e-4))


def start(y: Tensor, A: Operator, rng: Rng) -> Tensor:
    """x_1, the measurement as an image: itself or A's initial estimate, with N(0, 1) where no pixel was measured."""
    if A.y_shape == A.x_shape:
        return y
    x_1, missing = A.guess(y), hole(A, y)
    return x_1 if missing is None else torch.where(missing, rng.randn_like(x_1), x_1)


def hole(A: Operator, y: Tensor) -> Tensor | None:
    """Pixels that a mask leaves out, boolean (1, C, H, W); None if the operator is no mask."""
    return A.guess(torch.ones_like(y[:1])) == 0 if isinstance(A, ib.Selection) else None


@cache
def _levels(beta_max: float, device: torch.device) -> tuple[Tensor, Tensor]:
    forward, backward = ib.bridge_std(ib.bridge_betas(end=beta_max / T))
    return torch.from_numpy(forward).to(device), torch.from_numpy(backward).to(device)


@cache
def _numbers(beta_max: float) -> list[float]:
    numbers: list[float] = ib.bridge_std(ib.bridge_betas(end=beta_max / T))[0].tolist()
    return numbers
