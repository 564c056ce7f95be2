"""The page in a browser: pictures, sorting, the viewer, and that it needs and runs nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reporting import Opened, generated, page_of, until

from invbench.report import write_page
from invbench.report.browser import SIDE, data_uri

EVIL = "</script><img src=x onerror='window.broken=1'><script>window.broken=1</script>"


def test_a_picture_keeps_its_bits_and_a_large_one_is_reduced() -> None:
    import base64
    import io

    from PIL import Image

    def decoded(pixels: np.ndarray) -> np.ndarray:
        with Image.open(io.BytesIO(base64.b64decode(data_uri(pixels).partition(",")[2]))) as image:
            return np.asarray(image)

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    assert (decoded(pixels / 255) == pixels).all()
    assert len(data_uri(pixels / 255, lossless=False)) < len(data_uri(pixels / 255))
    assert decoded(np.zeros((SIDE, 2 * SIDE, 3))).shape == (SIDE // 2, SIDE, 3)


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


def test_images_and_solvers_are_found_by_words_in_their_names(small: Opened) -> None:
    from selenium.webdriver import Keys

    def images() -> list[str]:
        return list(small.js("[...document.querySelectorAll('.browser tbody th')].map(each => each.textContent)"))

    def search(name: str, words: str) -> None:
        field = small.js(f"document.querySelector('.filter').elements.{name}")
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE, words)

    small.js("document.querySelector('.browser').scrollIntoView({ block: 'center' })")
    until(images)
    search("images", "00003, 00005 00057")
    until(lambda: images() == ["generated-00003", "generated-00005", "generated-00057"])
    assert small.js("document.querySelector('.filter output').textContent") == "3 images"
    search("solvers", "OTHER")
    heads = "[...document.querySelectorAll('.browser thead th')].filter(each => each.checkVisibility())"
    assert small.js(f"{heads}.map(each => each.textContent)") == ["image", "truth", "measurement", "other"]
    until(images)
    small.js("document.querySelector('.browser td:not([hidden]) > button').focus()")
    assert small.focused() == "generated-00003, other"
    small.press("ARROW_LEFT")
    assert small.focused() == "generated-00003, other", "a hidden solver is not reached"
    for _ in range(2):
        small.press("ARROW_DOWN")
    assert small.focused() == "generated-00057, other", "past images that are not found"
    search("images", "")
    search("solvers", "")
    until(lambda: len(images()) > 20)
    assert small.js(f"{heads}.length") == 5
    search("images", "nothing")
    until(lambda: images() == [])
    assert small.js("document.querySelector('.filter output').textContent") == "0 images"


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
