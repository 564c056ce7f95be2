"""Operators of the user's own: a function, a class or a torch module by its dotted name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

import invbench as ib
from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class ModuleTask(Task):
    """An operator of your own, ``target="package.module:name"``: y = name(x), x (B, C, H, W) in [-1, 1].

    A function, or an object that can be called, is taken as it is. A class is made, with ``arguments``, and with
    ``x_shape``, (C, H, W), where it has a parameter of that name. It is examined on random images before anything is
    solved (:func:`invbench.operator_from`), and is linear where it has a method ``adjoint`` or ``linear`` says so. The
    SHA-256 of the file that defines it is part of a cell's identity; files that this imports are not.
    """

    name: ClassVar[str] = "module"
    summary: ClassVar[str] = "an operator of your own: task.target=package.module:name"
    target: str = ""
    linear: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        import torch

        thing, label = self._found(), f"task module: {self.target}"
        if not isinstance(thing, type):
            if self.arguments:
                raise ConfigError(f"{label} is no class, and takes no arguments; write them into it")
            return ib.operator_from(thing, x_shape, self.linear, label)
        pair = [made(thing, x_shape, self.arguments, label) for _ in range(2)]
        A, again = (ib.operator_from(each, x_shape, self.linear, label) for each in pair)
        x = torch.linspace(-1, 1, x_shape[-1]).expand(1, *x_shape)
        if not torch.equal(A(x), again(x)):
            raise ConfigError(f"{label} is another each time it is made; draw masks from a torch.Generator with a seed")
        return A

    def fingerprint(self) -> str:
        """Of the file that defines it."""
        self._found()
        return ib.source_of(self.target, "task module")

    def _found(self) -> Any:
        if not self.target:
            raise ConfigError("task=module needs the operator: task.target=package.module:name")
        thing = ib.imported(self.target, "task module")
        if not callable(thing):
            raise ConfigError(
                f"task module: expected {self.target} to be a function, a class or a torch module; "
                f"got {type(thing).__name__}"
            )
        return thing


def made(cls: type[Any], x_shape: Shape, arguments: dict[str, Any], label: str) -> Any:
    """An object of the class. Raises ConfigError if it cannot be made, or called."""
    try:
        shape = {"x_shape": x_shape} if "x_shape" in inspect.signature(cls).parameters else {}
        thing = cls(**shape | arguments)
    except Exception as error:  # the user's code may raise anything
        raise ConfigError(f"{label} cannot be made: {type(error).__name__}: {error}") from error
    if not callable(thing):
        raise ConfigError(f"{label}: its objects cannot be called; give it a method forward, or __call__")
    return thing


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [ModuleTask]
