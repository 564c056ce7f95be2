"""A network with any convention behind the Prior interface."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from invbench import DataError, Prior, Shape, alpha_bar, linear_betas, load_strict, read_state_dict

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "ema_model.")


class OwnPrior(Prior):
    """eps from a network that predicts the noise, the image or v, of images in [-1, 1] or [0, 1].

    ``betas`` are those of the network. For a network of images u = (x + 1) / 2, a step has twice the noise in units of
    x, and ``abar`` is adapted accordingly; the predicted noise is the same.
    """

    def __init__(
        self, net: nn.Module, x_shape: Shape, betas: Tensor, predicts: str, span: str, device: torch.device | str
    ) -> None:
        self.net = net.to(device).eval().requires_grad_(False)
        self.x_shape, self.predicts, self.unit = x_shape, predicts, span == "[0,1]"
        self.own_abar = torch.from_numpy(alpha_bar(betas.numpy()))
        ratio = (1 - self.own_abar) / self.own_abar * (4 if self.unit else 1)
        self.abar = 1 / (1 + ratio)

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        t = torch.full((len(x_t),), t, device=x_t.device) if isinstance(t, int) else t.expand(len(x_t))
        abar, own = (each.to(x_t)[t][:, None, None, None] for each in (self.abar, self.own_abar))
        signal, noise = own.sqrt(), (1 - own).sqrt()
        u = x_t / abar.sqrt()  # image and noise, of variance-exploding size
        u = (u + 1) / 2 if self.unit else u
        if self.predicts == "denoiser":
            sigma = noise / signal
            return (u - self._called(u, sigma.flatten())) / sigma, None
        out, v = self._called(signal * u, t), None
        if out.shape[1] == 2 * x_t.shape[1]:
            out, v = out.chunk(2, dim=1)
        if self.predicts == "x0":
            return (u - out) * signal / noise, v
        return (noise * signal * u + signal * out, v) if self.predicts == "v" else (out, v)

    def _called(self, x: Tensor, t: Tensor) -> Tensor:
        out = self.net(x, t)
        out = getattr(out, "sample", out)
        if not isinstance(out, Tensor) or out.shape[0] != len(x) or out.shape[2:] != x.shape[2:]:
            shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise DataError(f"prior: expected a tensor of {tuple(x.shape)} of the network; got {shape}")
        return out

    def student(self) -> OwnPrior:
        student = copy.copy(self)
        student.net = copy.deepcopy(self.net).float().requires_grad_()
        return student


def betas_of(schedule: str, start: float, end: float, steps: int) -> Tensor:
    """beta_t of a schedule by name, float64 (T,); "cosine" is that of Nichol and Dhariwal (2021), at most 0.999."""
    if schedule == "cosine":
        at = torch.arange(steps + 1, dtype=torch.float64) / steps
        abar = torch.cos((at + 0.008) / 1.008 * torch.pi / 2) ** 2
        return (1 - abar[1:] / abar[:-1]).clamp(max=0.999)
    if schedule == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    if (start, end, steps) == (1e-4, 0.02, 1000):
        return torch.from_numpy(linear_betas())
    return torch.linspace(start, end, steps, dtype=torch.float64)


def fill(net: nn.Module, path: Path, entry: str) -> None:
    """Load weights, removing a prefix that all names share and the network's names lack. Raises DataError."""
    state = read_state_dict(path, entry)
    own = net.state_dict().keys()
    while not own & state.keys():
        prefix = next((p for p in PREFIXES if all(key.startswith(p) for key in state)), "")
        if not prefix:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    load_strict(net, state, str(path))
