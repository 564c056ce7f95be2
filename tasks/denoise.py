"""Denoising: H = I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import invbench as ib
from invbench import Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class Denoise(Task):
    """y = x + sigma n. The DAVI paper prints 0.05; its Table 6 is at 0.20 (20.0 dB input), the default here."""

    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "additive noise, no degradation"
    noise: str = "gaussian 0.2 [-1,1]"

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        return ib.Identity(x_shape)


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [Denoise]
