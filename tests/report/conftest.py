"""Shared by the tests of the page: a results folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reporting import invbench

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)


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


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium under WebDriver."""
    pytest.importorskip("selenium", reason="the dev extra is not installed: no selenium to drive a browser with")
    programs = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("no chromium with chromedriver on this machine to open the page in")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(programs[1])))
    yield driver
    driver.quit()
