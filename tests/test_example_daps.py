"""examples/invbench-daps: a solver of one's own, from its file to a LaTeX table with the released baselines."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from command import called

import invbench
from invbench import Prior, Rng

EXAMPLE = Path(__file__).parent.parent / "examples" / "invbench-daps"
QUICK = ["solver.levels=2", "solver.langevin=2"]
BASELINES = ("pinv", "ddrm", "ddnm_plus", "diffpir", "pigdm")


def commands() -> list[list[str]]:
    """The commands of the script as words, without where their output goes."""
    text = (EXAMPLE / "table.sh").read_text().replace('"${N:-0}"', "2")
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "set "))]
    return [shlex.split(line.partition(" > ")[0]) for line in lines]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the example as an installed distribution, as the first command of the script installs it."""
    folder = tmp_path / "site"
    info = folder / "invbench_daps-0.1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "invbench_daps.py").write_text((EXAMPLE / "invbench_daps.py").read_text())
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["invbench"].items())
    (info / "entry_points.txt").write_text(f"[invbench]\n{entries}")
    return folder


def test_the_example_is_short() -> None:
    assert len((EXAMPLE / "invbench_daps.py").read_text().splitlines()) < 80
    assert len(commands()) <= 10
    assert commands()[0] == ["pip", "install", "./examples/invbench-daps"]


@pytest.mark.long
def test_the_script_ends_with_a_latex_table_of_the_solver_and_the_baselines(site: Path, tmp_path: Path) -> None:
    said = {}
    for name, *words in commands()[1:]:
        assert name == "invbench"
        result = called([*words, *(QUICK if words[0] == "run" else [])], tmp_path, site=site)
        assert result.returncode == 0, f"{words}\n{result.stdout}{result.stderr}"
        said[words[0]] = result.stdout
    assert " 0 fail" in said["check"]
    assert re.search(r"^\| *photos/sr4|^photos/sr4, seed 0", said["versus"], re.MULTILINE)
    latex = said["table"]
    assert latex.count(r"\begin{tabular}") == 1, "one measurement: that of our released records"
    rows = [line for line in latex.splitlines() if line.rstrip().endswith(r"\\") and "psnr" not in line]
    assert {row.split()[0].replace("\\", "") for row in rows} == {*BASELINES, "decoupled"}


class White(Prior):
    """Independent Gaussian pixels of standard deviation 0.5, whose posterior is known."""

    x_shape = (3, 16, 16)
    std = 0.5

    def __init__(self) -> None:
        self.abar = torch.from_numpy(1 - invbench.linear_betas(1000)).cumprod(0)

    def _predict(self, x_t: torch.Tensor, t: int | torch.Tensor) -> tuple[torch.Tensor, None]:
        assert isinstance(t, int)
        abar = self.alpha_bar(t)
        return (1 - abar) ** 0.5 / (abar * self.std**2 + 1 - abar) * x_t, None


@pytest.fixture
def daps(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the example."""
    monkeypatch.syspath_prepend(site)
    yield importlib.import_module("invbench_daps")
    del sys.modules["invbench_daps"]


def test_power_iteration_finds_the_largest_eigenvalue(daps: ModuleType) -> None:
    for A, value in ((invbench.BlockMean((3, 16, 16), 4), 1 / 16), (invbench.Identity((3, 16, 16)), 1.0)):
        assert daps.largest(A, "cpu") == pytest.approx(value, rel=1e-3), "the mean of n pixels has 1 / n"


def test_the_flow_ends_where_that_of_a_gaussian_does(daps: ModuleType) -> None:
    prior, t = White(), 600
    x_t = 0.3 * Rng.single(purpose="test").randn(prior.x_shape)
    abar = prior.alpha_bar(t)
    ends = x_t * prior.std / (abar * prior.std**2 + 1 - abar) ** 0.5  # it scales x_t to the deviation of images
    errors = [float((daps.Daps(calls=n).denoised(prior, x_t, t) - ends).abs().max()) for n in (1, 10, 100)]
    assert errors[2] < 0.3 * errors[1] < 0.09 * errors[0], "as an integrator of first order converges"


def test_without_heat_the_steps_end_at_the_regularised_fit(daps: ModuleType) -> None:
    A, sigma, variance = invbench.BlockMean((3, 16, 16), 4), 0.1, 0.04
    rng = Rng.single(purpose="test")
    x, y = rng.randn(A.x_shape), rng.randn(A.y_shape)
    problem = invbench.Problem(A, sigma, task="own", dataset="own")
    bound = daps.largest(A, "cpu")
    fit = daps.Daps(langevin=200, heat=0.0).pulled(x, y, problem, variance, bound, rng)
    # the slowest direction shrinks by 0.5 at least at each step, so 200 leave the rounding of float32
    assert torch.allclose(fit, x + A.ridge(y - A(x), sigma**2 / variance), atol=1e-4)
