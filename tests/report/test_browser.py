"""The page in a browser: pictures, sorting, the viewer, and that it needs and runs nothing else."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reporting import page_of

from invbench.analysis.table import Table
from invbench.report import Section, write_page
from invbench.report.browser import SIDE, Browser, data_uri

EVIL = "</script><img src=x onerror='window.broken=1'><script>window.broken=1</script>"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)


def test_a_picture_keeps_its_bits_and_a_large_one_is_reduced() -> None:
    import base64
    import io

    from PIL import Image

    def decoded(pixels: np.ndarray) -> np.ndarray:
        with Image.open(io.BytesIO(base64.b64decode(data_uri(pixels).partition(",")[2]))) as image:
            return np.asarray(image)

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    assert (decoded(pixels / 255) == pixels).all()
    assert decoded(np.zeros((SIDE, 2 * SIDE, 3))).shape == (SIDE // 2, SIDE, 3)


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


@pytest.fixture(scope="module")
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


@pytest.fixture
def small(chromium: Any, tmp_path: Path) -> Opened:
    return Opened(chromium, write_page([generated(60)], tmp_path / "small.html"))


def test_a_header_sorts_by_numbers_best_first_and_back_with_missing_values_last(small: Opened) -> None:
    def order() -> list[str]:
        return list(small.js("[...document.querySelectorAll('.scores tbody tr')].map(r => r.cells[0].textContent)"))

    def header(column: int) -> Any:
        return small.js(f"document.querySelectorAll('.scores thead button')[{column}]")

    small.js("document.querySelector('.scores thead button').focus()")
    small.press("ENTER")
    assert order() == ["b", "c", "generated"]
    for column, first, orders in [
        (2, "descending", [["generated", "b", "c"], ["b", "generated", "c"]]),
        (3, "ascending", [["c", "b", "generated"], ["generated", "b", "c"]]),
    ]:
        header(column).click()
        assert order() == orders[0]
        assert small.js("arguments[0].parentNode.ariaSort", header(column)) == first
        header(column).click()
        assert order() == orders[1]
    assert small.js("document.querySelectorAll('[aria-sort]').length") == 1


def test_the_viewer_opens_walks_closes_and_gives_the_focus_back(small: Opened) -> None:
    small.browse()
    small.press("ENTER")
    assert small.js("document.querySelector('dialog').open")
    assert small.title() == "generated-00000, generated"
    assert small.js("[...document.querySelectorAll('figcaption')].map(f => f.textContent)") == [
        *("truth", "measurement", "generated", "error")
    ]
    assert "20.00 dB" in small.js("document.querySelector('dialog table').textContent")
    small.press("ARROW_RIGHT")
    assert small.title() == "generated-00000, other"
    small.press("ARROW_DOWN")
    assert small.title() == "generated-00002, other", "what was not run is passed over"
    small.press("ESCAPE")
    until(lambda: small.focused() == "generated-00002, other")
    assert not small.js("document.querySelector('dialog').open")
    small.press("ENTER")
    small.js("document.querySelector('[data-step=\"-1 0\"]').click()")
    assert small.title() == "generated-00002, generated"
    small.js("document.querySelector('[data-close]').click()")
    until(lambda: small.focused() == "generated-00002, generated")


def test_the_arrow_keys_walk_the_grid_past_the_rows_that_were_drawn(small: Opened) -> None:
    small.browse()
    assert small.js("document.querySelectorAll('.browser button[tabindex=\"0\"]').length") == 1
    for _ in range(50):
        small.press("ARROW_DOWN")
    assert small.focused() == "generated-00050, generated"
    assert small.js("document.querySelectorAll('.browser button[tabindex=\"0\"]').length") == 1


def test_the_error_map_is_the_mean_absolute_difference(small: Opened, tmp_path: Path) -> None:
    section = generated(1)
    truth, restored = (np.full((8, 8, 3), value) for value in (0.2, 0.2))
    restored[0, 1] = (0.4, 0.2, 0.2)
    restored[0, 2] = 1
    section.browser.rows[0]["truth"] = data_uri(truth)
    section.browser.rows[0]["cells"][0]["src"] = data_uri(restored)
    page = Opened(small.driver, write_page([section], tmp_path / "error.html"))
    page.browse()
    page.press("ENTER")
    pixels = "document.querySelector('canvas').getContext('2d').getImageData(0, 0, 3, 1).data"
    data = until(lambda: page.js("document.querySelector('canvas').width == 8") and page.js(f"[...{pixels}]"))
    assert data[:4] == [0, 0, 0, 255]
    assert data[4:7] == pytest.approx([0.2 * 255 / 3 * 4] * 3, abs=1)  # white is 0.25 on [0,1]
    assert data[8:11] == [255] * 3


def test_names_from_plugins_are_text(chromium: Any, tmp_path: Path, out: Path) -> None:
    for path in out.glob("photos/inpaint/wiener-*/run.json"):
        run = json.loads(path.read_text())
        run["config"]["solver"]["name"], run["status"], run["reason"] = EVIL, "failed", EVIL
        path.write_text(json.dumps(run))
    for page in (page_of(out, "task=inpaint"), write_page([generated(2, EVIL)], tmp_path / "evil.html")):
        opened = Opened(chromium, page)
        opened.browse()
        opened.press("ENTER")
        assert EVIL in opened.js("document.body.textContent")
        assert opened.js("window.broken") is None
        assert opened.complaints() == []


def test_a_recorded_page_opens_from_disk_without_a_request_or_a_complaint(chromium: Any, out: Path) -> None:
    page = Opened(chromium, page_of(out))
    page.browse()
    page.press("ENTER")
    until(lambda: page.js("document.querySelector('canvas').width == 64"))
    names = page.js("performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith("data:")] == []
    assert page.complaints() == []


def test_ten_thousand_images_open_and_scroll_with_few_of_them_in_memory(chromium: Any, tmp_path: Path) -> None:
    begin = time.perf_counter()
    path = write_page([generated(10_000)], tmp_path / "large.html")
    assert time.perf_counter() - begin < 20
    assert path.stat().st_size > 10_000_000
    page = Opened(chromium, path)
    assert page.js("performance.getEntriesByType('navigation')[0].loadEventEnd") < 10_000, "milliseconds"

    def pictures() -> int:
        return int(page.js("document.querySelectorAll('.browser img').length"))

    page.browse()
    assert 0 < pictures() < 500
    page.js("document.querySelector('.browser').scrollTo(0, 1e9)")
    until(lambda: page.js("document.querySelector('.browser').textContent.includes('generated-09999')"))
    until(lambda: pictures() < 500)
