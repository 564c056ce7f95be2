"""The task deepinv: what is made of its options, what identifies it, what it says of options that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called
from invbench_tasks.deepinv_physics import DeepinvPhysics

import invbench as ib

OWN = """
import numpy as np
import torch
from deepinv.physics import MRI, Blur, Denoising


def scanner(x_shape, step):
    return MRI(mask=(torch.arange(x_shape[1]) % step == 0).float()[:, None].expand(*x_shape[1:]))


def drawn(x_shape):
    kernel = torch.rand(1, 1, 3, 3)
    return Blur(filter=kernel, padding="circular")


def numbered(x_shape):
    return MRI(mask=torch.from_numpy(np.random.rand(8, 8)))


plain = Denoising()
"""
TOMOGRAPHY = {"physics": "Tomography", "arguments": {"angles": 7, "normalize": False}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("deepinv", reason="needs the extra deepinv")
    (tmp_path / "own_physics.py").write_text(OWN)
    np.save(tmp_path / "mask.npy", (np.arange(64).reshape(8, 8) % 3 > 0).astype(np.float32))
    np.save(tmp_path / "kernel.npy", np.ones((3, 3), np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_physics", raising=False)
    return tmp_path


def operator(x_shape: ib.Shape, **options: Any) -> ib.Operator:
    return DeepinvPhysics(**options).operator(x_shape, ib.Rng.single(use="task"))


def test_a_class_is_made_for_the_images(home: Path) -> None:
    del home
    import deepinv

    A, x = operator((3, 16, 16), **TOMOGRAPHY), ib.Rng.single().randn((3, 16, 16))
    torch.testing.assert_close(A(x), deepinv.physics.Tomography(angles=7, img_width=16, normalize=False).A(x))


def test_masks_and_kernels_are_files(home: Path) -> None:
    del home
    A = operator((2, 8, 8), physics="MRI", mask="mask.npy")
    assert isinstance(A, ib.SVDOperator)
    assert A.y_shape == (2, 8, 8)
    assert int(A.s.sum()) == 2 * int(np.load("mask.npy").sum())
    blur = operator((3, 8, 8), physics="Blur", filter="kernel.npy", arguments={"padding": "circular"})
    torch.testing.assert_close(blur(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 8, 8))


@pytest.mark.parametrize(
    "options", [{"physics": "Inpainting", "arguments": {"mask": 0.5}}, {"physics": "own_physics:drawn"}], ids=str
)
def test_random_physics_draw_from_the_generator_of_the_cell(home: Path, options: dict[str, Any]) -> None:
    """That which they are given, and torch's own."""
    del home
    x = torch.ones(1, 3, 8, 8)
    first, again = operator((3, 8, 8), **options)(x), operator((3, 8, 8), **options)(x)
    assert torch.equal(first, again)
    other = DeepinvPhysics(**options).operator((3, 8, 8), ib.Rng.single(use="another"))
    assert not torch.equal(first, other(x))


def test_physics_of_ones_own_are_named_by_a_dotted_path(home: Path) -> None:
    A = operator((2, 8, 8), physics="own_physics:scanner", arguments={"step": 4})
    assert int((A(torch.ones(1, 2, 8, 8)) != 0).any(-1).sum()) <= 2
    assert operator((3, 8, 8), physics="own_physics:plain").y_shape == (3, 8, 8)
    before = DeepinvPhysics(physics="own_physics:scanner").fingerprint()
    (home / "own_physics.py").write_text(OWN + "\n")
    assert DeepinvPhysics(physics="own_physics:scanner").fingerprint() != before


def test_the_files_are_part_of_the_identity(home: Path) -> None:
    before = DeepinvPhysics(physics="MRI", mask="mask.npy").fingerprint()
    assert before != DeepinvPhysics(physics="MRI").fingerprint()
    (home / "mask.npy").rename(home / "moved.npy")
    assert DeepinvPhysics(physics="MRI", mask="moved.npy").fingerprint() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task=deepinv needs a physics: task.physics=Tomography, or package.module:name"),
        ({"physics": "Tomograpy"}, "unknown physics 'Tomograpy'; did you mean 'Tomography'"),
        ({"physics": "Tomography"}, "Tomography cannot be made: TypeError: .*missing .* 'angles'"),
        ({"physics": "MRI", "arguments": {"masc": 1}}, "MRI cannot be made: UserWarning: Arguments {'masc': 1}"),
        ({"physics": "MRI", "filter": "kernel.npy"}, "MRI takes no filter; leave task.filter out"),
        ({"physics": "MRI", "mask": "no.npy"}, "no such file"),
        ({"physics": "own_physics:numbered"}, "another each time it is made; draw from torch's generator, or from rng"),
        ({"physics": "own_physics:torch"}, "expected a deepinv.physics.Physics; got module"),
    ],
)
def test_what_cannot_be_made_is_said(home: Path, options: dict[str, Any], message: str) -> None:
    del home
    with pytest.raises(ib.InvbenchError, match=message):
        operator((2, 8, 8), **options)


def test_without_deepinv_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("deepinv", "deepinv.physics"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ib.DataError, match=r"pip install 'invbench\[deepinv\]'"):
        operator((3, 8, 8), physics="MRI")
    with pytest.raises(ib.DataError, match=r"pip install 'invbench\[deepinv\]'"):
        ib.to_physics(ib.Identity((3, 8, 8)))


@pytest.mark.long
def test_a_run_and_a_restoration_take_it(home: Path) -> None:
    words = ["run", "solver=red_diff", "solver.nfe=3", "task=deepinv", "task.physics=Tomography"]
    ran = called([*words, "task.arguments={angles:7,normalize:true}", "n=1", "references=false", "out=out"], home)
    assert ran.returncode == 0, ran.stderr
    assert "deepinv" in ran.stdout
    np.save("y.npy", np.zeros((2, 8, 8), np.float32))
    words = [
        "restore",
        "y.npy",
        "solver=ddrm",
        "solver.nfe=3",
        "task=deepinv",
        "task.physics=MRI",
        "task.mask=mask.npy",
    ]
    (home / "own_net.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, x, t):\n        return x\n"
    )
    words += ["sigma=0.1 [-1,1]", "prior=module", "prior.target=own_net:Net", "size=2x8x8", "to=x.png"]
    ran = called(words, home)
    assert ran.returncode == 0, ran.stderr
    assert (home / "x.png").is_file()
