"""The losses of section 4.1 and 4.2 and of the official code, each a mean over batch and pixels (difference 8)."""

from __future__ import annotations

import torch
from torch import Tensor

import invbench as ib
from invbench import ConfigError, Operator, Prior, Rng


class Diffusion:
    """The forward process of the IKL and score losses: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, t < ``T``.

    - "linear": the prior's own schedule, which its network was trained on
    - "quad": the official code's, whose integer t goes to the network as it is, though the noise is another
      (difference 2)
    - "quad_mapped": the same noise, with the index at which the prior's schedule has it
    """

    def __init__(self, schedule: str, T: int, prior: Prior, device: torch.device | str = "cpu") -> None:
        quad = torch.from_numpy(ib.alpha_bar(ib.quad_betas()))
        self.abar = prior.abar if schedule == "linear" else quad
        self.index = torch.arange(len(self.abar))
        if schedule == "quad_mapped":
            self.index = (prior.abar[None].log() - quad[:, None].log()).abs().argmin(1)
        self.abar, self.index, self.T = self.abar.to(device), self.index.to(device), T

    def draw(self, x0: Tensor, rng: Rng, std: float = 0.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x_t (B, C, H, W), its time t and the network's index of it, both (B,), and the noise that predicts the score.

        With ``std`` the clean image is Gaussian about ``x0`` (A.2); that noise is then eta_t eps. At 0, the Dirac
        case, it is the eps that was added.
        """
        t = rng.integers(self.T, ()).to(x0.device)
        abar = self.abar[t].to(x0.dtype)[:, None, None, None]
        spread, eps = (abar * std**2 + 1 - abar).sqrt(), rng.randn_like(x0)
        return abar.sqrt() * x0 + spread * eps, t, self.index[t], (1 - abar).sqrt() / spread * eps


def ikl(x0_hat: Tensor, eps_theta: Tensor, eps_psi: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """A scalar whose gradient at x0_hat is that of the integral KL divergence: weight (eps_theta - eps_psi) / (B n).

    With the weight 1, w(t) = sqrt((1 - abar_t) / abar_t) in eq. 11's form (difference 6); for others see
    :func:`weight`. No gradient goes through the predictions.
    """
    return ((weight * (eps_theta - eps_psi)).detach() * x0_hat).mean()


def weight(weighting: str, x0_hat: Tensor, x_t: Tensor, eps_theta: Tensor, abar: Tensor) -> Tensor | float:
    """What multiplies the difference of predicted noises, (B, 1, 1, 1); ``abar`` is abar_t, (B,).

    With r = sqrt((1 - abar_t) / abar_t), the noise in units of the image, it is of

    - "code" 1: w(t) = r, the official code's
    - "constant" 1 / r: w(t) = 1, the paper's w(0)
    - "dmd" r / mean |x0_hat - x0_theta|: the difference of predicted images, divided by the error of the prior's about
      x0_hat, as in distribution matching distillation (Yin et al., CVPR 2024, eq. 8, as its code has it)
    """
    if weighting == "code":
        return 1.0
    abar = abar.to(x_t)[:, None, None, None]
    r = ((1 - abar) / abar).sqrt()
    if weighting == "constant":
        return 1 / r
    x0_theta = x_t / abar.sqrt() - r * eps_theta
    return r / (x0_hat - x0_theta).abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)


def score(eps_psi: Tensor, eps: Tensor) -> Tensor:
    """Denoising score matching of psi (eq. 12) as an error of the predicted noise (difference 19)."""
    return (eps - eps_psi).square().mean()


def consistency(y: Tensor, Hx: Tensor, poisson: bool = False) -> Tensor:
    """Mean squared residual (eq. 8 without 1 / 2 sigma_y^2); of photon noise on [0, 1] and weighted by 1 / 2 y (37).

    The mean is over the entries of y. The official code's, for inpainting, is over all pixels, of which the missing
    ones add 0: there it is smaller by the share that is measured.
    """
    if not poisson:
        return (y - Hx).square().mean()
    y01 = ((y + 1) / 2).clamp(min=1 / 255)  # no fewer than one count
    return (((y - Hx) / 2).square() / (2 * y01)).mean()


def supervised(x0: Tensor, x0_hat: Tensor, A: Operator, kept: float) -> Tensor:
    """Mean squared error to the training image; ``kept`` = 1 is the official form for inpainting (difference 10).

    That form is 0.1 times the error of all pixels plus ``kept`` times that of the measured ones.
    """
    error = (x0 - x0_hat).square()
    if not kept:
        return error.mean()
    if not isinstance(A, ib.LinearOperator):
        raise ConfigError(f"training.kept needs a linear task, whose pixels are kept or not; got {type(A).__name__}")
    measured = (A.T(A(torch.ones_like(x0))) > 0).to(error.dtype)
    return 0.1 * error.mean() + kept * (error * measured).sum() / measured.sum()
