"""What is measured on a GPU, as one table at the end: ``make gpu``; with DEVICE=cpu the same code on small shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from measuring import DEVICE, Figure

from invbench.device import describe

_figures: list[Figure] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if DEVICE.type == "cuda" and not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="no GPU is here; make gpu DEVICE=cpu runs the code on small shapes")
        for item in items:  # of the whole session, not of this folder alone
            if Path(__file__).parent in item.path.parents:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def ieee_float32() -> Iterator[None]:
    """What precision a product has is said where it is measured; float32 is float32."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``figure(what, value, "{:.2f}", at_most=0.35)`` adds a line to the table, and fails where the bar is missed.

    Bars are of a GPU: on a CPU nothing is compared with them.
    """

    terminal = request.config.pluginmanager.get_plugin("terminalreporter")

    def note(what: str, value: float, form: str = "{:.2f}", **bar: float) -> None:
        line = Figure(what, form.format(value), form, **bar)
        _figures.append(line)
        terminal.write_line(f"\n{line.what}: {line.value} {line.bar}")  # at once: a run may be cut off
        assert DEVICE.type == "cpu" or line.holds(value), f"{what}: {line.value}, expected {line.bar}"

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _figures:
        return
    where = describe(DEVICE)
    terminalreporter.section(f"figures on {where}, torch {torch.__version__}")
    width = max(len(line.what) for line in _figures)
    for line in _figures:
        terminalreporter.write_line(f"{line.what:{width}}  {line.value:>10}  {line.bar}")
    if DEVICE.type == "cpu":
        terminalreporter.write_line("Small shapes on a CPU, to try the code: no figure of a GPU is here.")
