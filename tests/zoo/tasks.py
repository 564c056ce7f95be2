"""Broken tasks. The control keeps the mean of blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

import invbench as ib
from invbench import Operator, Rng, Shape, Task
from invbench.linops import BlockMean, Identity
from invbench.noise import GaussianNoise, Noise, Sigma
from zoo import operators
from zoo.register import broken, control


@control("task")
@dataclass(frozen=True)
class GoodTask(Task):
    """Nothing is wrong with it."""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        return BlockMean(x_shape, 2)


def task(made: Callable[[Shape], Operator], check: str, fault: str, also: str = "") -> None:
    """Register a task whose operator has a fault."""

    @dataclass(frozen=True)
    class Faulty(Task):
        def operator(self, x_shape: Shape, rng: Rng) -> Operator:
            return made(x_shape)

    Faulty.__name__, Faulty.__doc__ = made.__name__, f"{fault}; {check}."
    broken("task", check, also)(Faulty)


task(
    operators.WrongShape,
    "shapes",
    "y has another shape than y_shape",
    "batch deterministic differentiable float32 bfloat16 noise device",
)
task(operators.MixesBatch, "batch", "Subtracts the mean of the batch")
task(operators.RandomInside, "deterministic", "Draws noise in the operator", "batch float32 bfloat16 noise device")
task(operators.Kinked, "differentiable", "Its gradient is not finite")
task(operators.NotLinear, "linear", "Clips, and derives from LinearOperator", "adjoint")
task(operators.WrongAdjoint, "adjoint", "Shifts in the transpose the same way")
task(operators.Unsorted, "sorted", "Singular values ascend")
task(operators.StretchedV, "svd_orthogonal", "V is not orthogonal")
task(operators.StretchedU, "pinv", "H^+ is not the pseudo-inverse", "svd_orthogonal")
task(operators.AlwaysDouble, "float32", "Computes in float64 and returns it", "bfloat16")
task(operators.AtLeastSingle, "bfloat16", "Returns float32 for bfloat16")
task(operators.HiddenFromTo, "device", "Keeps a tensor where it is not moved")


@broken("task", "deterministic", "noise")
@dataclass(frozen=True)
class OwnMask(Task):
    """Draws its mask from the process, not from rng; deterministic."""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        return ib.Selection(x_shape, torch.randperm(H * W)[: H * W // 2])


@broken("task", "noise")
@dataclass(frozen=True)
class DoubledNoise(Task):
    """Doubles the level on its way from [0, 1] to [-1, 1], once too often; noise."""

    @property
    def noise_model(self) -> Noise:
        return GaussianNoise(Sigma(2 * ib.parse_noise(self.noise).sigma_y, "[-1,1]"))

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        return Identity(x_shape)
