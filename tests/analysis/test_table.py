"""Texts of records in tables: no format takes them for its own."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invbench.analysis.table import FORMATS, Table, escape

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\\input{/etc/passwd}",
    "a\n\\write18{id}",
    "a\r\n% b",
    "a | b",
    "a\\| b",
    "a\x0b\\write18{id}\x0cb\x85c\u2028d",
    '=HYPERLINK("http://x.example")',
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\uff1d1+1",
    "[x](javascript:alert(1))",
    "![](http://x.example)",
    "`a",
    "\x1b[31mred",
    "caf\udce9",
    "$a_b^c$ {x} #1 & ~2 %3",
]


def render(text: str, how: str) -> str:
    return Table(f"title {text}", pd.DataFrame({"solver": [text], text: ["1"]}), (f"note {text}",)).render(how)


@pytest.mark.parametrize("how", FORMATS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_text_makes_no_line_of_its_own(text: str, how: str) -> None:
    lines = {"text": 5, "md": 8, "latex": 9, "html": 8, "csv": 2}[how]
    rendered = render(text, how)
    if how == "csv":
        assert len(list(csv.reader(io.StringIO(rendered)))) == lines
    else:
        assert len(rendered.splitlines()) == len(render("plain", how).splitlines())


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_html_has_no_tag_of_a_text(text: str) -> None:
    plain = re.findall(r"<[^>]*>", render("plain", "html"))
    assert re.findall(r"<[^>]*>", render(text, "html")) == plain


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_latex_has_no_command_of_a_text(text: str) -> None:
    lines = [line for line in render(text, "latex").splitlines() if not line.startswith("%")]
    assert not re.search(
        r"\\(input|write)|(?<!\\)[$#%&_^~](?!\{\})", "".join(lines).replace(" & ", " ").replace(r"\_", "")
    )


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_markdown_has_two_columns_whatever_the_text(text: str) -> None:
    row = render(text, "md").splitlines()[4]
    assert len(re.split(r"(?<!\\)(?:\\\\)*\|", row)) == 4
    assert "<" not in render(text, "md").replace("&lt;", "")
    assert "](" not in render(text, "md")


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_csv_has_no_formula(text: str) -> None:
    cells = [cell for row in csv.reader(io.StringIO(render(text, "csv"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *(
            ("-0.5", "-0.5"),
            ("+0.5", "0.5"),
            ("+0.123 [-0.1, +0.3]", "0.123 [-0.1, +0.3]"),
            ("-", "-"),
            ("-inf", "-inf"),
        ),
        *(("23.85 [23.10, 24.61] best", "23.85 [23.10, 24.61] best"), ("-1e-05 (2 nan) tie", "-1e-05 (2 nan) tie")),
        *(("-1+1", "'-1+1"), ("+1-cmd|' /C calc'!A0", "'+1-cmd|' /C calc'!A0"), ("-x", "'-x"), ("a=b", "a=b")),
    ],
)
def test_numbers_of_csv_stay_numbers(text: str, cell: str) -> None:
    assert escape(text, "csv") == cell


@given(st.text())
def test_any_text_can_be_printed(text: str) -> None:
    for how in ("text", "md", "latex", "html"):
        assert escape(text, how).isprintable()


WIDE = pd.DataFrame({"solver": ["a", "bb"], **{f"metric {i}": ["1.25 [0, 2]", "nan"] for i in range(5)}})


@pytest.mark.parametrize("width", [1, 21, 34, 47, 80, 1000])
def test_text_of_a_width_has_every_column_in_blocks(width: int) -> None:
    table = Table("title", WIDE, ("a note",))
    title, *body, note = table.render(width=width).split("\n")
    blocks = [block.split("\n") for block in "\n".join(body).split("\n\n")]
    assert (title, note) == ("title", "a note")
    assert [block[2].split()[0] for block in blocks] == ["a"] * len(blocks)
    columns = [name for block in blocks for name in re.split("  +", block[0].strip())[1:]]
    assert columns == list(WIDE.columns)[1:]
    assert len(blocks) == {1: 5, 21: 5, 34: 3, 47: 2, 80: 1, 1000: 1}[width]
    if width >= 21:
        assert max(len(line) for block in blocks for line in block) <= width


def test_other_formats_and_tables_of_a_column_or_no_row_have_no_width() -> None:
    table = Table("title", WIDE, ())
    assert all(table.render(how, width=10) == table.render(how) for how in FORMATS if how != "text")
    for frame in (WIDE[["solver"]], WIDE[:0]):
        assert Table("t", frame, ()).render(width=1000) == Table("t", frame, ()).render()
