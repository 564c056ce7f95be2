"""The page of a results folder: what it says, that it needs nothing else, and how it behaves in a browser."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from invbench.analysis.table import Table
from invbench.analysis.tables import build_tables
from invbench.cli.main import main
from invbench.report import Section, entry, write_page
from invbench.report.browser import SIDE, Browser, data_uri
from invbench.store.reader import load_cells

EVIL = "</script><img src=x onerror='window.broken=1'><script>window.broken=1</script>"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def page_of(out: Path, *arguments: str) -> Path:
    path = out.parent / "page" / "report.html"
    result = invbench("report", *arguments, "--out", out, "--to", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(path)
    return path


class Elements(HTMLParser):
    """Every element's name and attributes, and the text that a reader sees."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def rows_in(page: Path) -> list[Any]:
    """The rows of all image browsers."""
    chunks = re.findall(r'<script type="application/json">(.*?)</script>', page.read_text(), re.S)
    return [row for chunk in chunks for row in json.loads(chunk)]


def test_the_page_holds_every_table_with_its_notes_and_the_provenance_of_every_cell(out: Path) -> None:
    from invbench.plugins import load_catalog

    cells = load_cells(out)
    text = Elements(page_of(out)).text
    for table in build_tables(cells, *load_catalog().for_tables()):
        for note in table.notes:
            assert note in text
        for part in table.frame.astype(str).to_numpy().flatten():
            assert all(word in text for word in part.split())
    for cell in cells:
        assert f"invbench explain {cell.id} --out {out}" in text
        assert invbench("explain", cell.id, "--out", out).stdout.strip() in text
    for fact in (f"{len(cells)} ({len(cells)} complete)", "gmm2d v1, photos v1"):
        assert fact in text


def test_charts_of_all_measurements_come_first_where_they_are_scored(out: Path) -> None:
    elements = Elements(page_of(out))
    alts = [str(image["alt"]) for image in elements.all("img")]
    assert [text.split()[0] for text in alts[:3]] == ["PSNR:", "HaarPSI:", "HaarPSI"]
    assert elements.text.index("Overview") < elements.text.index("photos v1, inpaint")
    points = Elements(page_of(out, "benchmark=gmm2d"))
    assert [str(image["alt"]).split()[0] for image in points.all("img")] == ["PSNR:", "Figure"], "they have no HaarPSI"


def test_the_filters_choose_what_is_in_it(out: Path) -> None:
    text = Elements(page_of(out, "task=inpaint", "solver=pinv")).text
    assert "photos v1, inpaint" in text
    assert "gmm2d" not in text


def test_the_page_needs_nothing_but_itself(out: Path) -> None:
    elements = Elements(page_of(out))
    targets = [a[key] or "" for _, a in elements.found for key in ("src", "href", "srcset", "action") if key in a]
    assert targets
    assert all(target.startswith(("data:image/", "#")) for target in targets)
    assert not elements.all("link")
    assert not elements.all("iframe")
    page = re.sub(r"<pre>.*?</pre>", "", (out.parent / "page" / "report.html").read_text(), flags=re.S)
    assert not re.search(r"https?://|@import|url\(", page)
    ids = {a["id"] for _, a in elements.found if "id" in a}
    assert {target[1:] for target in targets if target.startswith("#")} <= ids


def test_the_page_is_labelled(out: Path) -> None:
    elements = Elements(page_of(out))
    assert elements.all("html")[0]["lang"] == "en"
    assert all(a.get("scope") in ("col", "row") for a in elements.all("th"))
    assert all(a.get("alt") for a in elements.all("img"))
    ids = {a["id"] for _, a in elements.found if "id" in a}
    assert {a["aria-labelledby"] for _, a in elements.found if "aria-labelledby" in a} <= ids


def test_images_are_as_many_as_asked_for_with_every_score(out: Path) -> None:
    rows = rows_in(page_of(out, "task=inpaint", "--images", "2"))
    assert [row["image"] for row in rows] == ["astronaut_000_000", "chelsea_011_016"]
    cells = load_cells(out, task="inpaint")
    scores = {tuple(score) for row in rows for cell in row["cells"] for score in cell["scores"]}
    for record in cells[0].rows:
        if record.metric == "psnr" and record.image == "astronaut_000_000":
            assert ("psnr", f"{record.value:.2f} dB", record.protocol) in scores
    assert rows_in(page_of(out, "--images", "0")) == []


def test_points_are_shown_by_their_figure(out: Path) -> None:
    page = page_of(out, "benchmark=gmm2d")
    assert "no images that can be shown in a grid" in Elements(page).text
    assert str(Elements(page).all("img")[-1]["alt"]).startswith("Figure figure-gmm2d-seed0-")


def test_records_without_reconstructions_give_tables_and_say_so(out: Path) -> None:
    for folder in out.glob("photos/inpaint/*/images"):
        shutil.rmtree(folder)
    page = page_of(out, "task=inpaint")
    text = Elements(page).text
    assert "The reconstructions of these records are not here" in text
    assert "wiener" in text
    assert rows_in(page) == []


def test_one_missing_reconstruction_is_told_in_its_place(out: Path) -> None:
    (cell,) = load_cells(out, task="inpaint", solver="wiener")
    cell.image_path("chelsea_011_016").unlink()  # type: ignore[union-attr]
    by_image = {row["image"]: row["cells"] for row in rows_in(page_of(out, "task=inpaint", "solver=wiener"))}
    assert by_image["chelsea_011_016"] == ["not kept", "not kept"]
    assert all(each["src"].startswith("data:image/webp;base64,") for each in by_image["astronaut_000_000"])


def test_a_measurement_that_cannot_be_made_again_is_a_reason_not_a_failure(out: Path) -> None:
    for path in out.glob("photos/inpaint/*/run.json"):
        path.write_text(path.read_text().replace('"box": ', '"shape": '))
    text = Elements(page_of(out, "task=inpaint")).text
    assert "The images cannot be shown: task inpaint" in text


def test_another_measurement_than_was_solved_is_not_shown(out: Path) -> None:
    for path in out.glob("photos/inpaint/*/records.jsonl"):
        text = re.sub(r'"y_sha256": "\w{6}', '"y_sha256": "000000', path.read_text())
        path.write_text(re.sub(r', "y": \{.*\}\}', "}", text))  # as of records that have no fingerprints
    assert {cell for row in rows_in(page_of(out, "task=inpaint")) for cell in row["cells"]} == {
        "of another measurement"
    }


@pytest.mark.parametrize(("to", "said"), [("report.pdf", "ending in .html; got report.pdf"), (".", "ending in .html")])
def test_another_kind_of_file_is_refused(out: Path, to: str, said: str) -> None:
    result = invbench("report", "--out", out, "--to", to)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_folder_that_cannot_be_written_is_told(out: Path) -> None:
    (out / "taken").write_text("")
    result = invbench("report", "task=inpaint", "--images", "0", "--out", out, "--to", out / "taken" / "report.html")
    assert result.exit_code == 2
    assert "cannot write the report to" in result.stderr


def test_no_records_are_told(tmp_path: Path) -> None:
    assert "no records of anything" in invbench("report", "--out", tmp_path).stderr


@pytest.mark.parametrize(
    ("text", "value", "mark"),
    [
        ("21.0 [20.1, 22.0] tie", 21.0, "tie"),
        ("2e-05", 2e-5, None),
        ("-", None, None),
        ("nan (3 nan)", None, "(3 nan)"),
    ],
)
def test_a_text_of_a_table_is_a_number_where_it_starts_with_one(text: str, value: float | None, mark: str) -> None:
    assert (entry(text)["value"], entry(text)["mark"]) == (value, mark)


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
        {"solver": ["b", title, "c"], "n": [1, 3, 2], "psnr ↑ (dB)": scores, "swd ↓": ["2", "10", "1"]}
    )
    table = Table(title, frame, (f"WARNING: {title}",))
    browser = Browser(["truth", "measurement", title, "other"], rows)
    made = {"name": title, "cell": title, "status": title, "command": title, "text": title}
    return Section([], [title, title], [table], browser, {}, [made])


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
    truth, found = (np.full((8, 8, 3), value) for value in (0.2, 0.2))
    found[0, 1] = (0.4, 0.2, 0.2)
    found[0, 2] = 1
    section.browser.rows[0]["truth"] = data_uri(truth)
    section.browser.rows[0]["cells"][0]["src"] = data_uri(found)
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
