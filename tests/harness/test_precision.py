"""float32 is IEEE float32 on every device; other precisions are named, and part of the cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Result
from extras import skip_where_attention_takes_no_bfloat16

from invbench.device import arithmetic, refuse_precision
from invbench.errors import ConfigError
from invbench.harness.cell import Cell, Options
from invbench.harness.nodes import make
from invbench.harness.runner import run_cell
from invbench.plugins import load_catalog
from invbench.solver import Solver


def flags() -> tuple[bool, str]:
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.fixture
def loose() -> Iterator[tuple[bool, str]]:
    """A process in which somebody has allowed TF32."""
    before = flags()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield flags()
    torch.backends.cudnn.allow_tf32, _ = before
    torch.set_float32_matmul_precision(before[1])


@dataclasses.dataclass(frozen=True)
class Notes(Solver):
    """Restores nothing, and notes the flags that it runs under."""

    name = "notes"

    def solve(self, y: Any, problem: Any, prior: Any, state: Any, rng: Any, on_step: Any = None) -> Any:
        SEEN.append(flags())
        return y.new_zeros(len(y), *problem.x_shape)


SEEN: list[tuple[bool, str]] = []


def cell_of(prior: Any) -> Cell:
    catalog = load_catalog()
    benchmark = catalog.benchmark("photos")
    task = make(catalog.get("task", "sr4"), benchmark.tasks["sr4"], "task")
    return Cell(benchmark, task, catalog.get("dataset", "photos")(), prior, Notes())


@pytest.mark.parametrize(("dtype", "convolutions"), [("float32", False), ("bfloat16", False), ("tf32", True)])
@pytest.mark.parametrize("precision", ["run", "arithmetic"])
def test_a_run_has_the_precision_of_its_prior_and_puts_the_process_back(
    dtype: str, convolutions: bool, precision: str, loose: tuple[bool, str], tmp_path: Path, monkeypatch: Any
) -> None:
    SEEN.clear()
    if dtype == "bfloat16":
        skip_where_attention_takes_no_bfloat16()
    if precision == "arithmetic":
        with arithmetic(dtype):
            SEEN.append(flags())
    else:
        prior = load_catalog().get("prior", "adm_photos")()
        cell = cell_of(dataclasses.replace(prior, dtype="float32" if dtype == "tf32" else dtype))
        monkeypatch.setattr(type(prior), "precision", dtype)  # the CPU loads no prior of tf32
        assert run_cell(cell, [], Options(tmp_path, 1, 1)).status == "complete"
    assert SEEN.pop() == (convolutions, "highest")
    assert flags() == loose


def test_the_process_is_put_back_after_an_error(loose: tuple[bool, str]) -> None:
    with pytest.raises(ZeroDivisionError), arithmetic("tf32"):
        torch.set_float32_matmul_precision("medium")
        raise ZeroDivisionError
    assert flags() == loose


def test_tf32_is_refused_where_there_is_none() -> None:
    refuse_precision("tf32", torch.device("cuda"))
    for name in ("float32", "bfloat16", "float16"):
        refuse_precision(name, torch.device("cpu"))
    with pytest.raises(ConfigError, match="dtype=tf32 is a precision of NVIDIA GPUs; got device=cpu"):
        refuse_precision("tf32", torch.device("cpu"))
    with pytest.raises(ConfigError, match="tf32"):
        load_catalog().get("prior", "adm_photos")(dtype="tf32").load((3, 16, 16), "cpu")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "solver=ddrm", "task=sr4", "prior.dtype=tf32"],
        ["sample", "prior=adm_photos", "prior.dtype=tf32"],
        ["train", "prior=adm_photos", "dataset=photos", "dataset.split=train", "dtype=tf32"],
        ["run", "solver=ddrm", "task=sr4", "prior.dtype=float8"],
    ],
)
def test_a_precision_that_is_not_there_is_refused_before_anything_is_written(
    invbench: Callable[..., Result], tmp_path: Path, words: list[str]
) -> None:
    result = invbench(*words, "device=cpu", f"out={tmp_path / 'out'}")
    assert result.returncode != 0
    assert "dtype" in result.stderr
    assert not list(tmp_path.rglob("*.json*"))
    assert not list(tmp_path.rglob("*.png"))
