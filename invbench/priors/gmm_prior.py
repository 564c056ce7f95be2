"""A Gaussian mixture as a diffusion prior, whose posterior is known."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from invbench import LinearOperator, Posterior, Prior, Problem, Shape, alpha_bar, linear_betas
from invbench.priors.adm.sources import AdmGmm
from invbench.priors.exact import ExactPosterior
from invbench.priors.gmm import GaussianMixture, LinearGaussianPosterior
from invbench.priors.mixtures import PATCH_SHAPE
from invbench.priors.mlp import MlpPrior


class GmmPrior(Prior):
    """A mixture as a diffusion prior: eps(x_t, t) = -sqrt(1 - abar_t) score, exact.

    Its float64 arithmetic is the CPU's, whatever the device of x_t; ``device`` is that of its student.
    """

    steps: ClassVar[int] = 1000

    def __init__(self, mixture: GaussianMixture, x_shape: Shape, device: torch.device | str = "cpu") -> None:
        self.mixture, self.x_shape, self.device = mixture, x_shape, device
        self.abar = torch.from_numpy(alpha_bar(linear_betas(self.steps)))

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        abar = self.alpha_bar(t) if isinstance(t, int) else self.abar[t.cpu()][:, None]
        score = self.mixture.score(x_t.flatten(1).cpu().double(), abar)
        return (-((1 - abar) ** 0.5) * score).to(x_t).reshape(x_t.shape), None

    def student(self) -> Prior:
        """Of patches a U-Net that has learned their score, as the paper's are; in the plane an untrained MLP."""
        if self.x_shape == PATCH_SHAPE:
            return AdmGmm().load(self.x_shape, self.device).student()
        return MlpPrior(self.x_shape, self.abar, self.device)

    def posterior(self, problem: Problem) -> Posterior | None:
        """Of linear operators with Gaussian noise of a level above 0."""
        if not (isinstance(problem.A, LinearOperator) and problem.sigma_y):
            return None
        return ExactPosterior(LinearGaussianPosterior(self.mixture, problem.A, problem.sigma_y))
