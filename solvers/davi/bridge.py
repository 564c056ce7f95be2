"""The Perturbed Posterior Bridge (section 4.3, eq. 13) and the map from network output to image (eq. 38).

The index a runs from 0, the clean image, to 999, the measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

import invbench as ib
from invbench import Operator, Rng

END = 999


@dataclass(frozen=True)
class Bridge:
    """sigma_a, the perturbation h sigma_bar_a and the output map, as tables over a.

    - ``schedule``: "i2sb" is the official code's, a symmetric quadratic beta with inclusive sums; "linear" the
      paper's integrals of the ADM priors' beta (difference 1)
    - ``output``: "tanh" is the code's tanh(y_a - sigma_f(a) I'); "paper" is eq. 38, y_a + alpha_a I' (difference
      5), where alpha_a = abar_a, all but 0 at the measurement, leaves the network no say; "residual" is the code's
      without tanh: the network need not know the level that it corrects, which group normalisation hides
    - ``perturbation``: "rising" is 1 - abar_a (difference 3); "constant" is 1 (ablations C to E); "eq14" is "rising"
      with sigma_a (1 - sigma_a) added to h times it (difference 4)

    abar_a is of the quadratic schedule with "i2sb", of the ADM priors' with "linear"; sigma_f is the code's in both.
    """

    schedule: str
    output: str
    perturbation: str
    h: float

    @property
    def sigma(self) -> Tensor:
        """sigma_a, the share of the clean image: 1 at a = 0, 0 at the measurement; float64 (1000,)."""
        if self.schedule == "linear":
            beta = torch.from_numpy(ib.linear_betas())
            return 1 - beta.cumsum(0) / beta.sum()
        forward, backward = map(torch.from_numpy, ib.bridge_std(ib.bridge_betas()))
        return backward**2 / (forward**2 + backward**2)

    @property
    def sigma_bar(self) -> Tensor:
        """sigma_bar_a, the size of the perturbation in units of h; float64 (1000,)."""
        rising = 1 - self._abar
        return torch.ones_like(rising) if self.perturbation == "constant" else rising

    @property
    def noise(self) -> Tensor:
        """The size of the perturbation, h sigma_bar_a, with eq. 14 more within the bridge; float64 (1000,)."""
        sigma = self.sigma
        return self.h * self.sigma_bar + (sigma * (1 - sigma) if self.perturbation == "eq14" else 0)

    @property
    def _abar(self) -> Tensor:
        betas = ib.linear_betas() if self.schedule == "linear" else ib.quad_betas()
        return torch.from_numpy(ib.alpha_bar(betas))

    def point(self, x0: Tensor, y: Tensor, a: Tensor, z: Tensor) -> Tensor:
        """y_a = (1 - sigma_a) y + sigma_a x_0 + h sigma_bar_a z (eqs. 13 and 14); images (B, C, H, W), a (B,)."""
        sigma = self._at("sigma", a, y)
        return (1 - sigma) * y + sigma * x0 + self._at("noise", a, y) * z

    def image(self, y_a: Tensor, out: Tensor, a: Tensor) -> Tensor:
        """x0_hat from the network's output, both (B, C, H, W)."""
        if self.output == "paper":
            return y_a + self._at("_abar", a, y_a) * out
        x0_hat = y_a - self._at("_forward", a, y_a) * out
        return x0_hat if self.output == "residual" else torch.tanh(x0_hat)

    @property
    def _forward(self) -> Tensor:
        return torch.from_numpy(ib.bridge_std(ib.bridge_betas())[0])

    def _at(self, table: str, a: Tensor, like: Tensor) -> Tensor:
        return _on(self, table, like.device)[a].to(like.dtype)[:, None, None, None]


@cache
def _on(bridge: Bridge, table: str, device: torch.device) -> Tensor:
    """A table of the bridge on a device: made and moved once."""
    values: Tensor = getattr(bridge, table)
    return values.to(device)


def draw_a(density: str, rng: Rng) -> Tensor:
    """Bridge indices int64 (B,): trunc(1000 u - 1/2), u of density 3 u^2 ("beta") or 1; or the measurement's end."""
    u = rng.rand(()) ** (1 / 3) if density == "beta" else rng.rand(())
    return torch.full_like(u, END, dtype=torch.int64) if density == "end" else (1000 * u - 0.5).clamp(min=0).long()


def network_input(y: Tensor, A: Operator, fill: str = "zero", hole: float = 0.0, rng: Rng | None = None) -> Tensor:
    """y as an image: itself, enlarged, or the operator's initial estimate; (B, *y_shape) -> (B, *x_shape).

    Where nothing was measured, the initial estimate of inpainting is 0, as in the official code, or with ``fill``
    "smooth" made of what was measured around. With ``hole``, noise of that level is added there (difference 16): drawn
    at each use, where that code draws it once, with the measurement's.
    """
    channels, *size = A.x_shape
    if A.y_shape == A.x_shape:
        return y
    if len(A.y_shape) == 3 and A.y_shape[0] == channels and A.y_shape[1] <= size[0] and A.y_shape[2] <= size[1]:
        return torch.nn.functional.interpolate(y, size=size, mode="bilinear", align_corners=False)
    guess, measured = A.guess(y), (A.guess(torch.ones_like(y)) != 0).to(y.dtype)
    if fill == "smooth":
        guess = filled(guess, measured)
    return guess + hole * (1 - measured) * rng.randn_like(guess) if hole and rng is not None else guess


def filled(x: Tensor, measured: Tensor) -> Tensor:
    """The image with what is not measured, where ``measured`` is 0, from means over ever larger squares that are.

    >>> filled(torch.tensor([[[[3.0, 0.0], [5.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]]))[0, 0]
    tensor([[3., 4.],
            [5., 4.]])
    """
    if min(x.shape[2:]) == 1:
        return x
    pool = torch.nn.functional.avg_pool2d
    share = pool(measured, 2, ceil_mode=True)
    coarse = filled(pool(x * measured, 2, ceil_mode=True) / share.clamp(min=1e-6), (share > 0).to(x.dtype))
    coarse = torch.nn.functional.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(measured > 0, x, coarse)
