"""Conformance checks of tasks: operators that obey the laws, and noise of the stated level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from invbench.errors import ConfigError
from invbench.noise import GaussianNoise, parse_noise
from invbench.operator import LinearOperator, Operator, Shape, SVDOperator, real_parts
from invbench.rng import Rng
from invbench.task import Task
from invbench.testing import operators
from invbench.testing.devices import another_device, same_there
from invbench.testing.findings import Check, Fault, NotApplicable, claimed, expect
from invbench.testing.operators import LAWS, draw, works_in
from invbench.testing.problems import small_presets

SHAPES: tuple[Shape, ...] = (
    (3, 64, 48),
    (3, 32, 64),
    (3, 16, 16),
)  # oblong images, also with sides that are powers of two
LAW = 1e-4  # factors may be stored in float32; a broken law shows at 1e-2 and more
FLOAT32, BFLOAT16 = 1e-4, 0.1  # of A(x), relative to the largest entry
DRAWS = 20_000  # draws of noise: their standard deviation is known to 0.5 %
LEVEL = 0.05


@dataclass(frozen=True)
class Built:
    """A task's operator for images of one shape, with the options of one preset."""

    label: str
    task: Task
    A: Operator

    def again(self) -> Operator:
        """The operator built once more, from the same generator."""
        return build(self.task, self.A.x_shape)


class TaskLab:
    """A task with its operators: on images of ``x_shape``, or of every preset with small ones, and oblong."""

    def __init__(self, cls: type[Task], x_shape: Shape = ()) -> None:
        self.cls, self.x_shape = cls, x_shape

    @cached_property
    def built(self) -> list[Built]:
        """The operators, without those whose task and shape do not fit."""
        builds, reason = [], ""
        for label, task, x_shape in self._wanted():
            try:
                builds.append(Built(f"{label}{'x'.join(map(str, x_shape))}", task, build(task, x_shape)))
            except ConfigError as error:
                reason = str(error)
        if not builds:
            raise NotApplicable(f"no operator could be built: {reason}; --size 1x28x28 chooses the images' shape")
        return builds

    def _wanted(self) -> list[tuple[str, Task, Shape]]:
        presets = [(b, shape) for b, shape in small_presets() if self.cls.name in b.tasks]
        at = [(f"{b.name} ", self.cls(**b.tasks[self.cls.name]), shape) for b, shape in presets]
        largest = max(at, key=lambda candidate: math.prod(candidate[2]), default=("", self.cls(), ()))
        if self.x_shape:
            return [("", largest[1], self.x_shape)]
        return at + [("", largest[1], shape) for shape in SHAPES]


def build(task: Task, x_shape: Shape) -> Operator:
    """The operator, from its own generator."""
    return task.operator(x_shape, Rng.single(purpose="conformance"))


def deterministic(built: Built) -> str:
    x = draw(built.A, "x")
    same = torch.equal(built.A(x), built.again()(x))
    expect(same, "expected one operator from equal generators; got two; draw masks and kernels from rng alone")
    return operators.deterministic(built.A, 0)


def noise(built: Built) -> str:
    model = parse_noise(built.task.noise)
    try:
        model.refuse(built.A, built.task.name)
    except ConfigError as reason:
        raise Fault(f"expected noise that fits the measurements; got '{built.task.noise}': {reason}") from reason
    if not isinstance(model, GaussianNoise):
        raise NotApplicable(f"'{built.task.noise}' is not Gaussian noise of one level")
    A, stated = built.A, model.sigma.pm1
    images = [str(i) for i in range(math.ceil(DRAWS / math.prod(A.y_shape)))]
    x = 2 * Rng.for_images(images, purpose="truth").rand(A.x_shape) - 1
    y, std = built.task.noise_model.sample(A(x), Rng.for_images(images, purpose="noise"))
    empirical, reported = float(real_parts(y - built.again()(x)).std()), float(std.max())
    message = f"expected noise of standard deviation {stated:g} on [-1, 1], as '{built.task.noise}' says"
    advice = "leave noise to Task.noise; the operator adds none"
    expect(abs(empirical - stated) <= LEVEL * stated, f"{message}; got {empirical:.4g}; {advice}")
    expect(abs(reported - stated) <= 1e-6, f"{message}; metrics are given {reported:g}; {advice}")
    return f"standard deviation {empirical:.4g}, stated {stated:g}"


def bfloat16(built: Built) -> str:
    claimed(type(built.task), "bfloat16")
    return works_in(built.A, torch.bfloat16, BFLOAT16)


def device(built: Built) -> str:
    with another_device() as there:
        A, model = built.A.to(there), built.task.noise_model
        here, moved = (_results(A, draw(built.A, "x").float().to(on)) for A, on in ((built.A, "cpu"), (A, there)))
        off = max(same_there(what, moved[what], here[what], there) for what in here)
        rng = Rng.for_images(["a", "b", "c"], purpose="noise")
        y, std = model.sample(moved["A(x)"], rng)
        expect(y.device == std.device == there, "expected noise on the device of A(x)")
    return f"{', '.join(here)} are the same on another device than the CPU, to {off:.1e}"


def _results(A: Operator, x: Tensor) -> dict[str, Tensor]:
    """The results of an operator by name, for x (B, *x_shape) and its measurement."""
    y = A(x)
    results = {"A(x)": y, "A.guess(y)": A.guess(y)}
    if isinstance(A, LinearOperator):
        results |= {"A.T(y)": A.T(y), "A.ridge(y)": A.ridge(y, 0.1)}
    if isinstance(A, SVDOperator):
        results["A.pinv(y)"] = A.pinv(y)
    return results


def _of_each(check: Callable[[Built], str]) -> Check:
    """A check of a task that runs a check on each of its operators."""

    def check_all(lab: TaskLab) -> str:
        passed, reason = {}, ""
        for built in lab.built:
            try:
                passed[built.label] = check(built)
            except NotApplicable as why:
                reason = str(why)
            except Fault as fault:
                raise Fault(f"{built.label}: {fault}") from fault
        if not passed:
            raise NotApplicable(reason)
        label, sentence = next(iter(passed.items()))
        return f"{sentence} ({label}" + (f"; {len(passed) - 1} more pass)" if len(passed) > 1 else ")")

    return check_all


def _law(law: operators.Law) -> Check:
    return _of_each(lambda built: law(built.A, LAW))


CHECKS: dict[str, Check] = {
    **{name: _law(law) for name, law in LAWS.items()},
    "deterministic": _of_each(deterministic),
    "float32": _of_each(lambda built: works_in(built.A, torch.float32, FLOAT32)),
    "bfloat16": _of_each(bfloat16),
    "noise": _of_each(noise),
    "device": _of_each(device),
}
