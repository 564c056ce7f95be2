"""Shared fixtures: the command line as a user runs it, in a folder of its own."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Result, called

from invbench.store.reader import LoadedCell, load_cells

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell has it for jobs in the background, and their children
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def invbench(tmp_path: Path) -> Callable[..., Result]:
    """``invbench("run", "solver=pinv", ...)`` in ``tmp_path``: returncode, stdout, stderr.

    It runs in this process, which spares the seconds of an import of torch.
    """
    return lambda *words: called(words, tmp_path)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[LoadedCell]:
    """The cells of ``tests/golden/store``, with the paths that a user in its parent folder would see."""
    monkeypatch.chdir(Path(__file__).parent / "golden")
    return load_cells(Path("store"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium under WebDriver."""
    pytest.importorskip("selenium", reason="the dev extra is not installed: no selenium to drive a browser with")
    programs = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("no chromium with chromedriver on this machine to open pages in")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(programs[1])))
    yield driver
    driver.quit()
