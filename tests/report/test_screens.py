"""The page of twenty solvers on screens of several widths, by keyboard, and in both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made import loaded_cell
from reporting import Opened, generated, until

from invbench.plugins import load_catalog
from invbench.report import build_section, write_page
from invbench.report.browser import Browser
from invbench.report.charts import charts

SOLVERS = [*(f"solver_{i}" for i in range(18)), "a_solver_of_a_long_name", "another_solver"]
PHONE, DESK, WIDE = 340, 1280, 2560
READABLE = 4.5  # contrast of text, WCAG 2 level AA
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const behind = (element) => {
  const colour = numbers(getComputedStyle(element).backgroundColor);
  return colour[3] === 0 ? behind(element.parentElement) : colour;
};
const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && own(e) && !e.disabled);
return texts.map((e) => {
  const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort();
  return [(b + 0.05) / (a + 0.05), e.textContent.trim().slice(0, 40)];
});
"""
CENTRE = "e => (r => [r.x + r.width / 2, r.y + r.height / 2])(e.getBoundingClientRect())"
COVERED = """(() => {
  const button = document.activeElement, { left, right, top, bottom } = button.getBoundingClientRect();
  const corners = [[left + 3, top + 3], [right - 3, top + 3], [left + 3, bottom - 3], [right - 3, bottom - 3]];
  return corners.some(([x, y]) => !button.contains(document.elementFromPoint(x, y)));
})()"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of twenty solvers with all kinds of scores, and twelve pictures of each."""
    catalog, rows = load_catalog(), generated(12).browser.rows
    names = ("psnr", "ssim", "lpips_alex", "haarpsi", "consistency", "lpips_vgg", "lpips_davi")
    groups = [
        [
            loaded_cell("photos", task, name, {**dict.fromkeys(names, 20.0 + i), "nfe_forward": i, "seconds": i})
            for i, name in enumerate(SOLVERS)
        ]
        for task in ("sr4", "inpaint")
    ]
    scores = [("psnr", "20.00 dB", "psnr/rgb/range2/clip[-1,1]/float")] * 12
    for row in rows:
        row["cells"] = [{**row["cells"][0], "scores": scores}] * len(SOLVERS)
    browser = Browser(["truth", "measurement", *SOLVERS], rows)
    sections = [replace(build_section(group, catalog, 0, Path()), browser=browser) for group in groups]
    overview = charts([cell for group in groups for cell in group], catalog.for_tables()[0])
    return write_page(sections, tmp_path_factory.mktemp("crowd") / "report.html", overview)


@pytest.fixture
def screen(chromium: Any, crowd: Path) -> Iterator[Screen]:
    yield Screen(chromium, crowd)
    for command in ("clearDeviceMetricsOverride", "setEmulatedMedia"):
        chromium.execute_cdp_cmd(f"Emulation.{command}", {})


class Screen(Opened):
    """The page on a screen."""

    def be(self, width: int, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def tab(self) -> None:
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.driver).send_keys(Keys.TAB).perform()


@pytest.mark.parametrize("width", [PHONE, DESK, WIDE])
def test_nothing_is_wider_than_the_screen(screen: Screen, width: int) -> None:
    screen.be(width)
    screen.js("document.querySelectorAll('details').forEach(each => each.open = true)")
    page = "document.documentElement"
    assert screen.js(f"{page}.scrollWidth <= {page}.clientWidth")
    outside = f"getBoundingClientRect().right > {page}.clientWidth + 1"
    assert screen.js(f"[...document.querySelectorAll('.panels *')].filter(e => e.{outside}).length") == 0


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_charts_come_before_tables_each_as_tall_as_its_content(screen: Screen, width: int) -> None:
    screen.be(width)
    below = "f.getBoundingClientRect().bottom - f.lastElementChild.getBoundingClientRect().bottom"
    panels = "[...document.querySelectorAll('.panels figure')].filter(f => f.checkVisibility())"
    assert screen.js(f"{panels}.map(f => {below})") == [0, 0], "the first chart is open"
    top = "getBoundingClientRect().top"
    assert screen.js(f"document.querySelector('.dots').{top} < document.querySelector('.scores').{top}")
    assert screen.js(f"document.querySelector('.dots').{top}") < 800, "on the first screen"
    lines = "[...document.querySelectorAll('.dots tr')].filter(r => r.checkVisibility()).map(r => r.offsetHeight)"
    assert max(screen.js(lines)) < 2.5 * min(screen.js(lines)), "a name takes two lines at most"


def test_the_names_of_a_table_stay_where_the_rest_is_scrolled(screen: Screen) -> None:
    screen.be(PHONE)
    screen.js("document.querySelector('.scroll').scrollTo(300, 0)")
    assert screen.js("document.querySelector('.scroll').scrollLeft") == 300
    screen.js("document.querySelector('.scroll').scrollIntoView()")
    for part in ("thead", "tbody"):
        x, y = screen.js(f"(({CENTRE})(document.querySelector('.scores {part} th')))")
        assert x < 100
        assert screen.js(f"document.elementFromPoint({x}, {y}).closest('.scores {part} th:first-child') !== null")


def test_the_tab_key_shows_what_it_reaches(screen: Screen) -> None:
    screen.be(PHONE)
    screen.js("document.querySelector('.scores thead button').focus()")
    for _ in range(screen.js("document.querySelector('.scores').tHead.rows[0].cells.length") - 1):
        screen.tab()
        assert screen.js("document.activeElement.closest('.scores') !== null")
        until(lambda: not screen.js(COVERED))
        assert screen.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_one_stop_of_the_tab_key_passes_the_provenance_of_all_solvers(screen: Screen) -> None:
    screen.be(DESK)
    screen.js("document.querySelector('.provenance summary').focus()")
    assert screen.js("document.activeElement.textContent") == "Provenance of 20 cells"
    screen.tab()
    assert screen.js("document.activeElement.closest('.scores') !== null"), "the next measurement's"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_header_covers_the_picture_that_arrow_keys_reach(screen: Screen, width: int) -> None:
    screen.be(width)
    screen.browse()
    for key, steps in (("DOWN", 9), ("RIGHT", 15), ("UP", 9), ("LEFT", 15)):
        for _ in range(steps):
            screen.press(f"ARROW_{key}")
            assert not screen.js(COVERED), key


def test_the_viewer_s_buttons_stay_in_view_on_a_phone(screen: Screen) -> None:
    screen.be(PHONE)
    screen.browse()
    screen.press("ENTER")
    screen.js("document.querySelector('dialog').scrollTo(0, 1e9)")
    assert screen.js("document.querySelector('dialog').scrollTop") > 0
    shown = f"each => each === document.elementFromPoint(...({CENTRE})(each))"
    assert screen.js(f"[...document.querySelectorAll('dialog button')].map({shown})") == [True] * 5


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_is_readable(screen: Screen, dark: bool) -> None:
    screen.be(DESK, dark)
    screen.js("document.querySelectorAll('details').forEach(each => each.open = true)")
    screen.browse()
    screen.press("ENTER")
    found = screen.driver.execute_script(CONTRAST)
    assert len(found) > 500
    assert [each for each in found if each[0] < READABLE] == []
    shade = int(screen.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
    assert (shade < 128) == dark
