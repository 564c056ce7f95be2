"""A network with any convention behind the Prior interface."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invbench import DataError, Prior, Shape, alpha_bar, linear_betas, load_strict, read_checkpoint

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
    """Load weights, removing a prefix that all names share and the network's names lack, and warn of it.

    Raises DataError.
    """
    state, removed = _taken(path, entry), ""
    own = net.state_dict().keys()
    while not own & state.keys():
        prefix = next((p for p in PREFIXES if all(key.startswith(p) for key in state)), "")
        if not prefix or not state:
            break
        state, removed = {key.removeprefix(prefix): value for key, value in state.items()}, removed + prefix
    if removed:
        warnings.warn(f"left {removed!r} out of names in {path}", stacklevel=2)
    load_strict(net, state, str(path))


def _taken(path: Path, entry: str) -> dict[str, Tensor]:
    """The tensors of an entry, which may be nested or the prefix of names: "ema", "ema.model"; or the only ones.

    Raises DataError if there is none, or if there are several to choose from.
    """
    file = read_checkpoint(path)
    state = _within(file, entry)
    if _is_state(state):
        return state
    names = [name for name, value in file.items() if isinstance(value, dict) and any(map(_is_tensor, value.values()))]
    if entry or len(names) != 1:
        known = " or ".join(f"prior.entry={name}" for name in names)
        raise DataError(f"{path}: choose {known}" if names else f"{path}: expected tensors by name, a state dict")
    warnings.warn(f"took {names[0]!r} of {path}", stacklevel=3)
    return _taken(path, names[0])


def _within(file: Mapping[str, Any], entry: str) -> dict[str, Any]:
    """What an entry of a file holds: a mapping of this name, or what has names that begin with it and a dot."""
    for name in filter(None, entry.split(".")):
        nested, start = file.get(name), f"{name}."
        below = {key.removeprefix(start): value for key, value in file.items() if key.startswith(start)}
        file = nested if isinstance(nested, dict) else below
    return dict(file)


def _is_state(values: Mapping[str, Any]) -> bool:
    return bool(values) and all(map(_is_tensor, values.values()))


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)
