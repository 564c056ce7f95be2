"""The page of a results folder, as the command writes it, or of generated images; and the page in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result

from invbench.analysis.table import Table
from invbench.cli import main
from invbench.report import Section
from invbench.report.browser import Browser, data_uri


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def page_of(out: Path, *arguments: str) -> Path:
    path = out.parent / "page" / "report.html"
    result = invbench("report", *arguments, "--out", out, "--to", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(path)
    return path


def generated(n: int, title: str = "generated") -> Section:
    """A section of n generated images of one solver, with a table of three rows."""
    rng = np.random.default_rng(0)
    pictures = [data_uri(rng.random((16, 16, 3))) for _ in range(64)]
    cell = {"src": pictures[0], "caption": "20.00", "scores": [("psnr", "20.00 dB", "psnr/rgb")]}
    rows = [
        {
            "image": f"{title}-{i:05}",
            "truth": pictures[i % 64],
            "measurement": pictures[i % 64],
            "cells": [{**cell, "src": pictures[i * 7 % 64]}, "not run" if i == 1 else cell],
        }
        for i in range(n)
    ]
    scores = ["9.5 [9, 10]", "100 [99, 101] best", "-"]
    frame = pd.DataFrame(
        {"solver": ["b", title, "c"], "n": [1, 3, 2], "psnr ↑ (dB)": scores, "kid_alex ↓": ["2", "10", "1"]}
    )
    table = Table(title, frame, (f"WARNING: {title}",))
    browser = Browser(["truth", "measurement", title, "other"], rows)
    provenance = {"name": title, "cell": title, "status": title, "command": title, "text": title}
    return Section([], [title, title], [table], browser, {}, [provenance])


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The condition's value once it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)
    return value


class Opened:
    """A page in the browser."""

    def __init__(self, driver: Any, page: Path) -> None:
        self.driver = driver
        self.driver.get_log("browser")
        self.driver.get(page.as_uri())

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {expression}", *arguments)

    def press(self, key: str) -> None:
        from selenium.webdriver.common.keys import Keys

        self.driver.switch_to.active_element.send_keys(getattr(Keys, key))

    def focused(self) -> str:
        return str(self.js("document.activeElement.querySelector('img')?.alt"))

    def title(self) -> str:
        return str(self.js("document.getElementById('viewer-title').textContent"))

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if "favicon" not in entry["message"]]

    def browse(self) -> None:
        """Scroll to the images and focus the first picture."""
        self.js("document.querySelector('.browser').scrollIntoView()")
        until(lambda: self.js("document.querySelector('.browser td button')"))
        self.js("document.querySelector('.browser td button').focus()")
