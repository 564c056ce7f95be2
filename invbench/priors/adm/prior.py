"""An ADM network behind the Prior interface."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invbench import DataError, Prior, Shape, alpha_bar, linear_betas, load_strict, read_card, read_state_dict, seeded
from invbench.priors.adm.unet import UNet, UNetConfig, convolve_in


class AdmPrior(Prior):
    """eps and the variance interpolation from one evaluation of a U-Net; channels-last inside."""

    net: UNet

    def __init__(self, net: UNet, x_shape: Shape, dtype: torch.dtype = torch.float32) -> None:
        self.net, self.x_shape, self.dtype = net, x_shape, dtype
        self.abar = torch.from_numpy(alpha_bar(linear_betas()))

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        t = torch.full((1,), t, device=x_t.device) if isinstance(t, int) else t  # no copy from the host
        x = x_t.to(self.dtype).contiguous(memory_format=torch.channels_last)
        eps, v = self.net(x, t).to(x_t.dtype).chunk(2, dim=1)
        return eps, v

    def student(self) -> AdmPrior:
        """A copy with trainable weights in float32."""
        student = AdmPrior(copy.deepcopy(self.net).float().requires_grad_(), self.x_shape)
        student.net.to(memory_format=torch.channels_last)
        return student


def load_adm(
    config: UNetConfig, path: Path, x_shape: Shape, device: torch.device | str, dtype: torch.dtype
) -> AdmPrior:
    """Build the network on ``device`` with frozen weights from ``path``. Raises DataError if they do not fit.

    A lower ``dtype`` applies only to convolutions; norms, time embedding and output stay in float32.
    """
    state, card = read_state_dict(path), card_of(path)
    _refuse_other_form(config, state, card, path)
    with torch.device("meta"):
        net = UNet(config)
    load_strict(net, state, str(path), card)
    net = convolve_in(net.eval().requires_grad_(False), dtype)
    net = net.to(device).to(memory_format=torch.channels_last)
    return AdmPrior(net, x_shape, dtype)


def _refuse_other_form(config: UNetConfig, state: Mapping[str, Tensor], card: Mapping[str, Any], path: Path) -> None:
    """Raise DataError for weights of a network with other channels or another width."""
    first = state.get("input_blocks.0.0.weight")
    if first is None or first.ndim != 4:
        return
    width, channels = first.shape[:2]
    if (channels, width) != (config.in_channels, config.channels):
        prior = card.get("prior")
        name = prior.get("name") if isinstance(prior, dict) else None
        raise DataError(
            f"{path} holds a network of width {width} for {channels}-channel images; expected width {config.channels}, "
            f"{config.in_channels}-channel images; name other weights"
            + (f", or prior={name}, which these were trained as" if name else "")
        )


def card_of(path: Path) -> dict[str, Any]:
    """The metadata of a prior's weights; empty if they have none. Raises DataError for a solver's weights."""
    card = read_card(path)
    if solver := card.get("solver"):
        name = solver.get("name", "another") if isinstance(solver, dict) else solver
        raise DataError(f"{path} holds weights of solver {name}, not a prior's; name it as solver.weights")
    return card


def fresh_adm(config: UNetConfig, x_shape: Shape, device: torch.device | str, seed: int) -> AdmPrior:
    """An untrained network, the same for the same seed."""
    net = seeded(lambda: UNet(config), seed)
    return AdmPrior(net.to(device).to(memory_format=torch.channels_last), x_shape)
