"""The global random generators, moved on and put back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def other_global_state() -> Iterator[Callable[[], tuple[Any, ...]]]:
    """Move the global generators on; yields what reads their state, and puts them back at the end."""

    def state() -> tuple[Any, ...]:
        numpys = np.random.get_state(legacy=False)["state"]
        return torch.get_rng_state().tolist(), numpys["key"].tolist(), numpys["pos"], random.getstate()

    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.empty(1).uniform_()
    np.random.random()
    random.random()
    try:
        yield state
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
