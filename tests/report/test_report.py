"""The page of a results folder: what it says, and that it needs nothing else."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from reporting import invbench, page_of

from invbench.analysis.tables import build_tables
from invbench.report import entry
from invbench.store.reader import load_cells


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
    for fact in (f"{len(cells)} ({len(cells)} complete)", "gmm2d v1, photos v2"):
        assert fact in text


def test_charts_of_all_measurements_come_first_where_they_are_scored(out: Path) -> None:
    text = Elements(page_of(out)).text
    named = re.findall(r"(\w+) [↑↓].*(?:means|against)", text)
    assert named == ["PSNR", "LPIPSAlex", "HaarPSI", "HaarPSI"]
    assert text.index("Overview") < text.index("PSNR") < text.index("Scores")
    points = Elements(page_of(out, "benchmark=gmm2d")).text
    assert re.findall(r"(\w+) [↑↓].*(?:means|against)", points) == ["PSNR"], "they have no HaarPSI"


def test_the_contents_name_what_tells_measurements_apart(out: Path) -> None:
    assert "photos v2, inpaint (box=32)" in contents(page_of(out))
    assert "Gaussian" not in contents(page_of(out))
    for path in list(out.glob("photos/inpaint/pinv-*/run.json")):
        path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert re.findall(r"seed \d|prior", contents(page_of(out))) == ["seed 0", "seed 1"]


def contents(page: Path) -> str:
    """The text of the list of contents."""
    return re.sub(r"<[^>]*>", "", page.read_text().partition("<nav")[2].partition("</nav>")[0])


def test_the_filters_choose_what_is_in_it(out: Path) -> None:
    text = Elements(page_of(out, "task=inpaint", "solver=pinv")).text
    assert "photos v2, inpaint" in text
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
    assert [row["image"] for row in rows] == ["kodim01_064_320", "kodim02_128_320"]
    cells = load_cells(out, task="inpaint")
    scores = {tuple(score) for row in rows for cell in row["cells"] for score in cell["scores"]}
    for record in cells[0].rows:
        if record.metric == "psnr" and record.image == "kodim01_064_320":
            assert ("psnr", f"{record.value:.2f} dB", record.protocol) in scores
    assert rows_in(page_of(out, "--images", "0")) == []


def test_many_pictures_are_compressed_and_said_to_be(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def length(page: Path) -> int:
        return sum(len(cell["src"]) for row in rows_in(page) for cell in row["cells"])

    exact = length(page_of(out, "task=inpaint"))
    monkeypatch.setattr("invbench.report.browser.ROOM", 2 * 64 * 64 * 3)
    page = page_of(out, "task=inpaint")
    assert 0 < length(page) < exact / 2
    assert "compressed with loss" in Elements(page).text


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


def test_one_missing_reconstruction_is_reported_in_its_place(out: Path) -> None:
    (cell,) = load_cells(out, task="inpaint", solver="wiener")
    cell.image_path("kodim02_128_320").unlink()  # type: ignore[union-attr]
    by_image = {row["image"]: row["cells"] for row in rows_in(page_of(out, "task=inpaint", "solver=wiener"))}
    assert by_image["kodim02_128_320"] == ["not kept", "not kept"]
    assert all(each["src"].startswith("data:image/webp;base64,") for each in by_image["kodim01_064_320"])


def test_a_measurement_that_cannot_be_repeated_is_a_reason_not_a_failure(out: Path) -> None:
    for path in out.glob("photos/inpaint/*/run.json"):
        path.write_text(path.read_text().replace('"box": ', '"shape": '))
    text = Elements(page_of(out, "task=inpaint")).text
    assert "The images cannot be shown: task inpaint" in text


def test_another_measurement_than_was_solved_is_not_shown(out: Path) -> None:
    for path in out.glob("photos/inpaint/*/records.jsonl"):
        text = re.sub(r'"y_sha256": "\w{6}', '"y_sha256": "000000', path.read_text())
        path.write_text(re.sub(r', "y": \{.*?\}', "", text))  # as of records that have no fingerprints
    assert {cell for row in rows_in(page_of(out, "task=inpaint")) for cell in row["cells"]} == {
        "of another measurement"
    }


@pytest.mark.parametrize(
    ("to", "message"), [("report.pdf", "ending in .html; got report.pdf"), (".", "ending in .html")]
)
def test_another_kind_of_file_is_refused(out: Path, to: str, message: str) -> None:
    result = invbench("report", "--out", out, "--to", to)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_folder_that_cannot_be_written_is_reported(out: Path) -> None:
    (out / "taken").write_text("")
    result = invbench("report", "task=inpaint", "--images", "0", "--out", out, "--to", out / "taken" / "report.html")
    assert result.exit_code == 2
    assert "cannot write the report to" in result.stderr


def test_an_empty_results_folder_is_reported(tmp_path: Path) -> None:
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
