"""Shared by the tests of the page: a results folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reporting import invbench


@pytest.fixture(scope="session")
def recorded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of images and one of points, without a network call."""
    out = tmp_path_factory.mktemp("report")
    for words in (
        "solver=wiener,pinv benchmark=photos task=inpaint n=3",
        "solver=wiener benchmark=gmm2d task=denoise n=2",
    ):
        options = ["samples=2", "references=false", f"out={out}"]
        assert invbench("run", *words.split(), *options).exit_code == 0
    return out


@pytest.fixture
def out(recorded_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded_store, tmp_path / "runs"))
