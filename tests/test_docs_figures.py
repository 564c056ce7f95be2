"""The scripts that draw the documentation's figures run, and their figures say what the text says."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent.parent / "docs" / "figures"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "options"), [("ikl", ["--points", "41"]), ("bridge", ["--task", "denoise"]), ("scheme", [])]
)
def test_a_script_draws_its_figure(
    name: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--to", "a.png", *options])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1000
        assert len(image.convert("L").getcolors()) > 50, "the picture is not blank"


def test_the_integral_has_one_minimum_where_the_divergence_without_noise_has_two() -> None:
    ikl = script("ikl")
    places = np.linspace(-2, 2, 81)
    landscapes = ikl.landscapes(np.linspace(-5, 5, 801), places)

    def minima(values: np.ndarray) -> list[float]:
        inner = values[1:-1]
        return [round(p, 2) for p in places[1:-1][(inner < values[:-2]) & (inner < values[2:])]]

    assert minima(landscapes["without noise"]) == [-1.0, 1.0]
    assert minima(landscapes["integral"]) == [0.8]


def test_the_divergence_is_that_of_two_gaussians_far_from_the_other_mode() -> None:
    ikl = script("ikl")
    x = np.linspace(-5, 5, 4001)
    offset = 0.1
    expected = offset**2 / (2 * ikl.STD**2) - np.log(0.7)
    assert ikl.divergence(x, 1 + offset, 0) == pytest.approx(expected, abs=1e-2)  # t = 0 already has a little noise


def test_the_bridge_of_the_figure_ends_where_it_should() -> None:
    constant, rising = (script("bridge").path(*form) for form in (("constant", "uniform"), ("rising", "beta")))
    for points in (constant, rising):
        assert points[:, 0].min() >= 0
        assert points[:, 0].max() <= 1
    near_truth = [points[points[:, 0] < 0.05, 1].std() for points in (constant, rising)]
    assert near_truth[0] == pytest.approx(0.1, rel=0.2)
    assert near_truth[1] < 0.02
