"""The lists of broken plugins and of controls, and the decorators that fill them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ZOO: list[tuple[str, type[Any], str, frozenset[str]]] = []
CONTROLS: list[tuple[str, type[Any]]] = []


def control(kind: str) -> Callable[[type[Any]], type[Any]]:
    """Register a plugin without fault."""

    def register(cls: type[Any]) -> type[Any]:
        cls.name = cls.__name__.lower()
        CONTROLS.append((kind, cls))
        return cls

    return register


def broken(kind: str, check: str, also: str = "") -> Callable[[type[Any]], type[Any]]:
    """Register a broken plugin under the check that names its fault."""

    def register(cls: type[Any]) -> type[Any]:
        cls.name = cls.__name__.lower()
        ZOO.append((kind, cls, check, frozenset(also.split())))
        return cls

    return register
