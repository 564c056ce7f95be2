"""Operators of one's own by a dotted name: what can be made, what is refused, and what identifies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called
from invbench_tasks.own import ModuleTask

import invbench as ib
from invbench.testing import check_operator

SHAPE = (3, 8, 6)
MODULE = """
import numpy as np
import torch
from torch import nn


def columns(x):
    return x[..., ::2]


def squared(x):
    return x.square()


class Blur(nn.Module):
    def __init__(self, x_shape, width=3):
        super().__init__()
        self.channels = x_shape[0]
        self.register_buffer("kernel", torch.ones(width) / width)

    def forward(self, x):
        return torch.nn.functional.conv1d(x.flatten(0, 2)[:, None], self.kernel[None, None]).reshape(*x.shape[:3], -1)


class Doubled:
    def __call__(self, x):
        return 2 * x

    def adjoint(self, y):
        return 2 * y


class Mask:
    def __init__(self, x_shape):
        self.mask = torch.rand(x_shape) > 0.5

    def __call__(self, x):
        return self.mask * x


def magnitude(x):
    return torch.fft.fft2(x)


number = 3
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_ops.py").write_text(MODULE)
    (tmp_path / "own_broken.py").write_text("A = nothing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_ops", raising=False)
    return tmp_path


def operator(target: str, **options: Any) -> ib.Operator:
    return ModuleTask(target=f"own_ops:{target}", **options).operator(SHAPE, ib.Rng.single())


def test_a_function_is_an_operator_and_linear_where_it_is_said_to_be(home: Path) -> None:
    del home
    plain, linear = operator("columns"), operator("columns", linear=True)
    assert not isinstance(plain, ib.LinearOperator)
    assert isinstance(linear, ib.LinearOperator)
    assert plain.y_shape == linear.y_shape == (3, 8, 3)
    check_operator(plain)
    check_operator(linear)


def test_a_class_is_made_with_the_shape_of_images_and_arguments(home: Path) -> None:
    del home
    A = operator("Blur", arguments={"width": 5}, linear=True)
    assert A.y_shape == (3, 8, 2)
    torch.testing.assert_close(A(torch.ones(1, *SHAPE)), torch.ones(1, 3, 8, 2))
    for kind in (torch.float64, torch.bfloat16):  # whatever the module's own tensors are of
        assert A(torch.ones(1, *SHAPE, dtype=kind)).dtype == A.T(torch.ones(1, 3, 8, 2, dtype=kind)).dtype == kind


def test_a_method_adjoint_is_the_transpose(home: Path) -> None:
    del home
    A = operator("Doubled")
    assert isinstance(A, ib.LinearOperator)
    check_operator(A)


def test_complex_measurements_are_allowed(home: Path) -> None:
    del home
    A = operator("magnitude", linear=True)
    assert A.measures_complex
    check_operator(A)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task=module needs the operator: task.target=package.module:name"),
        ({"target": "nowhere:A"}, "task module: cannot import nowhere"),
        ({"target": "own_ops:colums"}, "own_ops has no colums"),
        (
            {"target": "own_broken:A"},
            "task module: importing own_broken raised NameError: name 'nothing' is not defined",
        ),
        ({"target": "own_ops:number"}, "expected own_ops:number to be a function, a class or a torch module; got int"),
        ({"target": "own_ops:squared", "linear": True}, "task module: own_ops:squared is not linear"),
        ({"target": "own_ops:Blur", "arguments": {"witdh": 3}}, "own_ops:Blur cannot be made: TypeError: .*witdh"),
        (
            {"target": "own_ops:columns", "arguments": {"step": 3}},
            "own_ops:columns is no class, and takes no arguments",
        ),
        ({"target": "own_ops:Mask"}, "own_ops:Mask is another each time it is made; draw masks from a torch.Generator"),
    ],
)
def test_what_cannot_be_made_is_said(home: Path, options: dict[str, Any], message: str) -> None:
    del home
    with pytest.raises(ib.InvbenchError, match=message):
        ModuleTask(**options).operator(SHAPE, ib.Rng.single())


def test_its_identity_is_the_file_it_is_in(home: Path) -> None:
    before = ModuleTask(target="own_ops:columns").fingerprint()
    assert len(before) == 64
    assert before == ModuleTask(target="own_ops:Blur").fingerprint(), "of one file"
    (home / "own_ops.py").write_text(MODULE.replace("::2", "::3"))
    assert before != ModuleTask(target="own_ops:columns").fingerprint()


@pytest.mark.long
def test_a_run_and_a_restoration_take_it_from_the_current_folder(home: Path) -> None:
    words = ["run", "solver=red_diff", "solver.nfe=3", "task=module", "task.target=own_ops:Blur", "task.linear=true"]
    ran = called([*words, "task.arguments={width:5}", "n=1", "references=false", "out=out"], home)
    assert ran.returncode == 0, ran.stderr
    assert "width" in next(home.glob("out/**/run.json")).read_text()
    np.save(home / "y.npy", np.zeros((2, 8, 5), np.float32))
    words = ["restore", "y.npy", "solver=red_diff", "solver.nfe=3", "task=module", "task.target=own_ops:columns"]
    words += ["sigma=0.1 [-1,1]", "prior=module", "prior.target=own_ops:Net", "size=2x8x10", "to=x.png"]
    (home / "own_ops.py").write_text(
        MODULE + "\n\nclass Net(nn.Module):\n    def forward(self, x, t):\n        return x\n"
    )
    __import__("sys").modules.pop("own_ops")
    ran = called(words, home)
    assert ran.returncode == 0, ran.stderr
    assert (home / "x.png").is_file()


def test_a_fault_is_a_line_before_anything_is_solved(home: Path) -> None:
    words = ["run", "solver=dps", "task=module", "task.target=own_ops:squared", "task.linear=true", "n=1"]
    ran = called([*words, "references=false", "out=out"], home)
    assert ran.returncode != 0
    assert "own_ops:squared is not linear" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("text", "value"), [("{a:1,b:[0,4.5]}", {"a": 1, "b": [0, 4.5]}), ("{a: 'x y', b: true}", {"a": "x y", "b": True})]
)
def test_arguments_are_a_mapping_as_hydra_has_it(text: str, value: dict[str, Any]) -> None:
    from invbench.harness.nodes import typed

    assert typed(ModuleTask, {"arguments": text}, "task").arguments == value
    with pytest.raises(ib.ConfigError, match=r"task.arguments: expected a value of type dict, as \{a:1,b:2\}"):
        typed(ModuleTask, {"arguments": text[:-1]}, "task")
