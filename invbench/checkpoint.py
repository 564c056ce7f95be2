"""The state of a training: networks and optimizers as named tensors, and the configuration that they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from invbench.errors import ConfigError


@dataclass(frozen=True)
class State:
    """Networks and optimizers by name."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor of the networks and optimizers, by name."""
        for name, network in self.networks.items():
            yield from ((f"{name}/{key}", value.contiguous()) for key, value in network.state_dict().items())
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                yield from ((f"{name}@{index}/{key}", value.contiguous()) for key, value in state.items())

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Load tensors that are named as :meth:`tensors` names them."""
        for name, network in self.networks.items():
            network.load_state_dict(_below(tensors, f"{name}/"))
        for name, optimizer in self.optimizers.items():
            _restore_optimizer(optimizer, _below(tensors, f"{name}@"))


@torch.no_grad()
def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load an optimizer's state: tensors by the index of their parameter and their name.

    State of the same shape as its parameter gets the parameter's memory layout, which fused optimizers rely on.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        moment = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
        state.setdefault(int(index), {})[name] = moment
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def refuse_other(current: Mapping[str, Any], recorded: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError, naming each difference, where a checkpoint is of another training."""
    ours, theirs = dict(_leaves(json.loads(json.dumps(current)))), dict(_leaves(recorded))
    differences = [
        f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    if differences:
        raise ConfigError(
            f"{path} is of another training: {'; '.join(differences)}. Use its values, or another folder=FOLDER"
        )


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree
