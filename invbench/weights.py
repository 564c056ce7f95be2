"""Files of weights: read without running code, and refused unless they fit a network exactly."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invbench.errors import DataError

NOWHERE = torch.device("meta")
SHOWN = 6  # names listed of each fault


def read_state_dict(path: Path, entry: str = "", names: str = "") -> dict[str, Tensor]:
    """Tensors by name from a ``.safetensors`` or a PyTorch file (``weights_only``).

    If a file holds several state dicts, as checkpoints of trainings do, ``entry`` is the one to take. A list of
    averages of torch_ema has no names of its own: it takes those of the averaged network, the entry ``names``.

    Raises DataError for a file that is absent, empty, truncated, holds code, or is not a flat dict of tensors.
    """
    state = read_checkpoint(path)
    state = _averages(state, entry, names) or state.get(entry, state)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"checkpoint {path}: expected a flat dict of tensors")
    return state


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file of weights holds, by name. Raises DataError for one that is absent, damaged or holds code."""
    if not path.is_file():
        raise DataError(f"no checkpoint at {path}")
    if path.stat().st_size == 0:
        raise DataError(f"checkpoint {path} is empty; fetch it again")
    content = _loaded(path)
    if not isinstance(content, dict):
        raise DataError(f"checkpoint {path}: expected a flat dict of tensors; got a {type(content).__name__}")
    return content


def _averages(file: Mapping[str, Any], entry: str, names: str) -> dict[str, Any]:
    """The averages of torch_ema in an entry, under the names of another; empty if none fit."""
    averages, network = file.get(entry), file.get(names)
    listed = averages.get("shadow_params") if isinstance(averages, dict) else None
    if not isinstance(listed, list) or not isinstance(network, dict) or len(listed) != len(network):
        return {}
    return dict(zip(network, listed, strict=True))


def _loaded(path: Path) -> object:
    """The content of a file of weights. Raises DataError if it cannot be read, or holds code."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError:
        raise DataError(
            f"checkpoint {path} is refused: it holds more than tensors, or is damaged; save the network's state_dict()"
        ) from None
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"checkpoint {path} cannot be read; it may be truncated ({first})") from None


def load_strict(
    module: nn.Module, state: dict[str, Tensor], source: str, metadata: Mapping[str, Any] | None = None
) -> None:
    """Load in place, in the module's own types and on its device; a module on the meta device moves to ``state``'s.

    A module with a method ``adopt`` is passed the file's ``metadata``, for settings that tensors do not show.
    Raises DataError that names missing and unexpected tensors, and those of another shape.
    """
    own = module.state_dict()
    _refuse_whole_numbers(own, state, source)
    if faults := _faults(own, state):
        raise DataError(f"{source} does not fit the network: {faults}")
    fitting = {k: v.to(own[k].dtype if own[k].device == NOWHERE else own[k]) for k, v in state.items()}
    module.load_state_dict(fitting, assign=True)
    if metadata is not None:
        getattr(module, "adopt", dict)(metadata)  # where it has that method


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file. Raises DataError for one that is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, and train or fetch it again") from None


def read_card(path: Path) -> dict[str, Any]:
    """The metadata of a training in a file of weights; empty if it has none."""
    if path.suffix != ".safetensors":
        return {}
    try:
        card: dict[str, Any] = json.loads(read_tensors(path)[0].get("card", "{}"))
        if not isinstance(card, dict):
            raise ValueError("no mapping")
    except (ValueError, RecursionError):
        raise DataError(f"the metadata in {path} is damaged; train or fetch it again") from None
    return card


def _refuse_whole_numbers(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Raise DataError for integer tensors where floating point ones are needed."""
    both = own.keys() & state.keys()
    integers = [k for k in own if k in both and own[k].is_floating_point() and not state[k].is_floating_point()]
    if integers:
        kind = str(state[integers[0]].dtype).removeprefix("torch.")
        raise DataError(f"{source}: expected floating point numbers, got {kind} in {_some(integers)}; fetch it again")


def _faults(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Tensors that are missing, unexpected or of another shape, in words; "" if there are none."""
    faults = {
        "missing": [k for k in own if k not in state],
        "unexpected": [k for k in state if k not in own],
        "of another shape": _misshapen(own, state),
    }
    return "; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in faults.items() if names)


def _misshapen(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors of another shape, with both shapes."""
    shapes = {k: (tuple(own[k].shape), tuple(state[k].shape)) for k in own if k in state}
    return [
        f"{k} (expected {expected}, got {actual})" for k, (expected, actual) in shapes.items() if expected != actual
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _is_zip(path: Path) -> bool:
    import zipfile

    return zipfile.is_zipfile(path)
