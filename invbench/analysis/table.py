"""Tables as text, Markdown, LaTeX, HTML and csv. No torch."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from invbench.errors import ConfigError, one_line, unknown

FORMATS = {"text": "simple", "md": "github", "latex": "latex_booktabs", "html": "html", "csv": "csv"}
RAW = {"latex": "latex_raw", "html": "unsafehtml"}
HEAD = {"text": "{}", "md": "### {}\n", "latex": "% {}"}  # the title
BELOW = {"text": "{}", "md": "\n{}", "latex": "% {}"}  # a note
LATEX_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$"}
LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\^{}",
    "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    **{c: rf"\{c}" for c in "{}$&#%_"},
}
MARKDOWN = {"\\": r"\\", "|": r"\|", "&": "&amp;", "`": r"\`"}
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # what Markdown reads as the start of markup
VALUE = r"[+-]?(?:\d+\.?\d*|\.\d+|nan|inf)(?:e[+-]?\d+)?"
NUMBER = re.compile(rf"{VALUE}x?%?(?: \[{VALUE}, {VALUE}\])?(?: \(\d+ nan\))?(?: best| tie| \*)*")
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their full-width forms


def escape(text: str, how: str) -> str:
    r"""The text, escaped for a cell or a line of a format: no markup, no formula, no line break.

    >>> escape("a_b\n<i>", "latex"), escape("a|b <i>", "md"), escape("=1+1", "csv")
    ('a\\_b\\textbackslash{}n\\ensuremath{<}i\\ensuremath{>}', 'a\\|b &lt;i>', "'=1+1")
    """
    line = one_line(text, most=sys.maxsize)
    if how == "csv":
        return _defused(line)
    if how == "html":
        return html.escape(line)
    if how == "md":
        return TAG.sub("&lt;", "".join(MARKDOWN.get(c, c) for c in line)).replace("](", r"]\(")
    return "".join(LATEX.get(c, c) for c in line) if how == "latex" else line


def _line(text: str, how: str) -> str:
    """The text as a line outside a table, where a bar separates no cells; a comment in LaTeX."""
    line = escape(text, "text" if how == "latex" else how)
    return line.replace(r"\|", "|") if how == "md" else line


def _defused(text: str) -> str:
    """A cell of csv that no spreadsheet reads as a formula; the plus sign of numbers is left out."""
    if NUMBER.fullmatch(text):
        return text.removeprefix("+")
    return f"'{text}" if text.startswith(FORMULA) and text != "-" else text


def _width(text: str) -> int:
    """The length of its longest line."""
    return max(map(len, text.splitlines()), default=0)


@dataclass(frozen=True)
class Table:
    """Solvers on the same measurements: one row each, with what is needed to read it."""

    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...]
    raw: bool = False  # cells and headers are written in the format already

    def render(self, how: str = "text", width: int | None = None) -> str:
        """As text, md, latex, html or csv. Raises ConfigError for another format.

        Text of ``width`` characters has its columns in as many blocks as are needed, the first column in each.
        """
        if how not in FORMATS:
            raise ConfigError(unknown("table format", how, FORMATS))
        if how == "csv":
            return self._escaped(how).to_csv(index=False)
        if how == "html":
            notes = "".join(f"<p>{escape(note, how)}</p>" for note in self.notes)
            return f"<h3>{escape(self.title, how)}</h3>\n{self._body(how)}\n{notes}"
        title = HEAD[how].format(_line(self.title, how))
        body = self._body(how) if how != "text" or width is None else "\n\n".join(self._blocks(width))
        return "\n".join([title, body, *(BELOW[how].format(_line(note, how)) for note in self.notes)])

    def _blocks(self, width: int) -> Iterator[str]:
        """The table as text in blocks of columns, each as wide as fits; a column that is wider has one of its own."""
        first, rest = self.frame.iloc[:, :1], self.frame.iloc[:, 1:]
        while True:
            taken, block = 1, self._part(first, rest.iloc[:, :1])
            while taken < rest.shape[1] and _width(wider := self._part(first, rest.iloc[:, : taken + 1])) <= width:
                taken, block = taken + 1, wider
            yield block
            rest = rest.iloc[:, taken:]
            if not rest.shape[1]:
                return

    def _part(self, first: pd.DataFrame, columns: pd.DataFrame) -> str:
        return replace(self, frame=pd.concat([first, columns], axis=1))._body("text")

    def _body(self, how: str) -> str:
        """The cells and their headers."""
        from tabulate import tabulate

        style = {**FORMATS, **RAW}[how] if self.raw else FORMATS[how]
        frame = self.frame if self.raw else self._escaped("text" if how in RAW else how)  # tabulate does the rest
        body = tabulate(frame.to_dict("list"), headers="keys", tablefmt=style, disable_numparse=True)
        arrows = LATEX_ARROWS if how == "latex" else {}
        for arrow, command in arrows.items():
            body = body.replace(arrow, command)
        return body

    def _escaped(self, how: str) -> pd.DataFrame:
        """The frame with every text escaped, those of the header too."""
        frame = self.frame.apply(
            lambda column: column.map(lambda cell: escape(cell, how) if isinstance(cell, str) else cell)
        )
        return frame.set_axis([escape(str(name), how) for name in self.frame.columns], axis=1)
