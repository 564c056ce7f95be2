"""Python values as the command line writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def words_of(options: Mapping[str, Any]) -> list[str]:
    """``key=value`` for each option; two underscores become a dot.

    >>> words_of({"solver": "ddrm", "solver__eta": 0.5, "seed": (0, 1)})
    ['solver=ddrm', 'solver.eta=0.5', 'seed=0,1']
    """
    return [f"{key.replace('__', '.')}={word(value)}" for key, value in options.items()]


def word(value: Any) -> str:
    """A value as it is written on the command line; several are a sweep.

    >>> word(True), word([0, 1.5]), word("gaussian 0.1 [-1,1]"), word(("a,b", "c"))
    ('true', '0,1.5', 'gaussian 0.1 [-1,1]', "'a,b',c")
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{word(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(f"'{each}'" if isinstance(each, str) and "," in each else word(each) for each in value)
    return str(value)
