"""A prior that costs nothing, used to count the network calls of a solver."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.prior import Prior


class FreePrior(Prior):
    """Predicts zero noise at no cost, to count a solver's calls and to time everything but the network."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.x_shape, self.abar = prior, prior.x_shape, prior.abar
        with torch.inference_mode():
            zeros = torch.zeros(1, *prior.x_shape, device=network_device(prior))
            self.learned = prior.eps_and_v(zeros, 0)[1] is not None

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        del t
        return 0 * x_t, 0 * x_t if self.learned else None

    def student(self) -> Prior:
        return self.prior.student()


def network_device(prior: Prior) -> torch.device:
    """The device of a prior's network; the CPU where it has none."""
    net = getattr(prior, "net", None)
    return next(net.parameters()).device if net is not None else torch.device("cpu")
