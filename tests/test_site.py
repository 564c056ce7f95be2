"""The documentation site: its pages do what they say, and it is built without a broken link, to be read from disk."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from command import called

import invbench
from invbench.cli import main
from invbench.image_files import to_image
from invbench.plugins import load_catalog

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
STEP = re.compile(r"```python\n(?P<code>.*?)```|```.*?```|^ {4}(?P<command>invbench [^\n]*)$", re.DOTALL | re.MULTILINE)
BUILT = all(importlib.util.find_spec(name) for name in ("mkdocs", "material", "mkdocstrings", "griffe"))


def words_of(command: str, home: Path) -> list[str]:
    """What a shell makes of a command: no comment, file names for patterns."""
    words = shlex.split(command, comments=True)[1:]
    return [name for word in words for name in (map(str, home.glob(word)) if word.endswith("-*") else [word])]


def followed(page: str, home: Path) -> dict[str, Any]:
    """Run the blocks of a page, one after the other, as a reader would; returns what Python knows at the end."""
    known: dict[str, Any] = {}
    for step in STEP.finditer((DOCS / page).read_text()):
        if step["command"]:
            result = called(words_of(step["command"], home), home, site=home)
            assert result.returncode == 0, f"{step['command']}\n{result.stdout}{result.stderr}"
        elif step["code"]:
            with chdir(home):
                exec(compile(step["code"], page, "exec"), known)
    return known


@pytest.mark.long
def test_the_blocks_of_the_first_page_run(tmp_path: Path) -> None:
    photos = load_catalog().get("dataset", "photos")()
    to_image(photos.load(photos.ids()[0])).save(tmp_path / "photo.png")
    known = followed("start.md", tmp_path)
    assert {"ddrm", "davi"} <= set(known["results"].frame.solver), "the table of what was recorded before"
    assert (tmp_path / "restored.png").is_file()
    assert "ddrm" in (tmp_path / "report.html").read_text()


@pytest.mark.long
def test_the_blocks_of_the_concepts_run(tmp_path: Path) -> None:
    followed("concepts.md", tmp_path)
    cells = {path.parent.name for path in (tmp_path / "results" / "runs").glob("*/*/*/run.json")}
    assert sum(name.startswith("wiener-") for name in cells) == 2, "another noise is another cell, --cfg job runs none"


@pytest.mark.long
def test_the_blocks_of_the_page_about_own_data_run(tmp_path: Path) -> None:
    known = followed("own-data.md", tmp_path)
    noisy, restored = (invbench.read_rgb(tmp_path / name) for name in ("photo.png", "x.png"))
    truth = to_image(known["chosen"][0])
    pixels = [np.asarray(image, dtype=float) for image in (truth, noisy, restored)]
    errors = [float(((image - pixels[0]) ** 2).mean()) for image in pixels[1:]]
    assert errors[1] < 0.3 * errors[0], "the picture of the page is restored"
    assert {"sharp.png", "whole.png"} <= {path.name for path in tmp_path.iterdir()}


def test_what_the_first_page_makes_exists() -> None:
    targets = re.findall(r"^    make (\w+)$", (DOCS / "start.md").read_text(), re.MULTILINE)
    assert targets == ["install"]
    assert "\ninstall: " in (ROOT / "Makefile").read_text()


class Links(HTMLParser):
    """What a page refers to, its anchors, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.anchors: set[str] = {""}
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.anchors |= {found[key] for key in ("id", "name") if key in found}
        where = found.get("href") if tag in ("a", "link") else found.get("src")
        if where is not None:
            self.refers.append(where)
        if tag != "a" and where and found.get("rel") != "canonical":
            self.loads.append(where)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as 'make docs' builds it."""
    if not BUILT:
        pytest.skip("mkdocs is not installed: pip install 'invbench[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "mkdocs", "build", "--strict", "--config-file", str(DOCS / "site" / "mkdocs.yml")]
    result = subprocess.run(
        [sys.executable, *command, "--site-dir", str(folder)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder


def pages(site: Path) -> Iterator[tuple[Path, Links]]:
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            yield path, Links(path.read_text())


@pytest.mark.long
def test_the_site_has_no_broken_link_and_loads_nothing_from_elsewhere(site: Path) -> None:
    found = dict(pages(site))
    assert len(found) > 35
    broken = []
    for path, links in found.items():
        assert not [where for where in links.loads if "//" in where], path
        for where in links.refers:
            if re.match(r"[a-z]+:", where):
                continue
            name, _, anchor = unquote(where).partition("#")
            target = (path.parent / name).resolve() if name else path
            good = target.is_file() and (target not in found or not anchor or anchor in found[target].anchors)
            broken += [] if good else [f"{path.relative_to(site)}: {where}"]
    assert broken == []


@pytest.mark.long
def test_the_site_holds_every_page_public_name_command_and_plugin(site: Path) -> None:
    found = {path.relative_to(site).as_posix(): links for path, links in pages(site)}
    written = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert written <= set(found)
    anchors = set[str]().union(*(links.anchors for name, links in found.items() if name.startswith("reference/")))
    assert {f"invbench.{name}" for name in invbench.__all__} <= anchors
    assert set(main.commands) <= found["commands.html"].anchors
    for plugins in load_catalog().plugins.values():
        assert {name for name, plugin in plugins.items() if plugin.distribution.startswith("invbench")} <= found[
            "installed.html"
        ].anchors


@pytest.mark.long
def test_the_search_of_the_site_knows_functions_and_works_from_disk(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text()  # a script, since a browser reads no JSON from disk
    entries = json.loads(index[index.index("{") : index.rindex("}") + 1])["docs"]
    assert any("Restore a measurement" in entry["text"] for entry in entries if "reference/run" in entry["location"])
    assert any(entry["title"] == "What an interval says" for entry in entries)


@pytest.mark.long
def test_a_browser_finds_a_page_from_disk_by_searching(site: Path, chromium: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    chromium.get_log("browser")  # what pages before have left there
    chromium.get((site / "reference" / "run.html").as_uri())
    field = chromium.find_element("css selector", ".md-search__input")
    WebDriverWait(chromium, 60).until(lambda _: field.is_displayed())
    field.send_keys("interval")
    links = WebDriverWait(chromium, 60).until(
        lambda _: chromium.find_elements("css selector", ".md-search-result__item a")
    )
    assert any("concepts.html" in str(link.get_attribute("href")) for link in links)
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


@pytest.mark.long
def test_docstrings_are_markdown(site: Path) -> None:
    for path in (site / "reference").glob("*.html"):
        text = path.read_text()
        assert ":func:" not in text
        assert not re.search(r"<p>(?:&gt;){3}|<blockquote>", text), f"{path.name}: examples are blocks of code"
