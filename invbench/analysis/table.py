"""Tables as text, Markdown, LaTeX, HTML and csv."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from invbench.analysis.cell import Cell
from invbench.analysis.latex import Column, Latex, latex, with_symbols
from invbench.errors import ConfigError, one_line, unknown

FORMATS = {"text": "simple", "md": "github", "latex": "", "html": "unsafehtml", "csv": ""}  # names of tabulate's
HEAD = {"text": "{}", "md": "### {}\n", "latex": "% {}"}  # the title
BELOW = {"text": "{}", "md": "\n{}", "latex": "% {}"}  # a note
LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\^{}",
    "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    **{c: rf"\{c}" for c in "{}$&#%_"},
}
MARKDOWN = {"\\": r"\\", "|": r"\|", "&": "&amp;", "`": r"\`"}
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # characters that start markup in Markdown
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
    """The text as a line outside a table; a comment in LaTeX."""
    line = escape(text, "text" if how == "latex" else how)
    return line.replace(r"\|", "|") if how == "md" else line


def _defused(text: str) -> str:
    """A csv cell that no spreadsheet reads as a formula; the plus sign of numbers is removed."""
    if NUMBER.fullmatch(text):
        return text.removeprefix("+")
    return f"'{text}" if text.startswith(FORMULA) and text != "-" else text


def _width(text: str) -> int:
    """The length of its longest line."""
    return max(map(len, text.splitlines()), default=0)


@dataclass(frozen=True)
class Table:
    """Solvers on the same measurements, one row each, with a title and notes.

    ``cells`` are texts and values, by header. ``groups``, if given, has for each column the first words of its header
    that it shares with its neighbours, or "". ``ranked`` tables mark the best and the second best in every format;
    others only in LaTeX, and with words elsewhere.
    """

    title: str
    cells: pd.DataFrame
    notes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    ranked: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """The cells as text prints them."""
        return self._texts("text")

    def render(self, how: str = "text", latex: Latex | None = None, width: int | None = None) -> str:
        """The table as text, md, latex (with the options ``latex``), html or csv. Raises ConfigError for other formats.

        With ``width``, text is split into as many blocks of columns as needed, each beginning with the first column.
        """
        if how not in FORMATS:
            raise ConfigError(unknown("table format", how, FORMATS))
        if how == "csv":
            return self._escaped(how).to_csv(index=False)
        if how == "html":
            notes = "".join(f"<p>{escape(note, how)}</p>" for note in self.notes)
            return f"<h3>{escape(self.title, how)}</h3>\n{self._body(how)}\n{notes}"
        title, body = HEAD[how].format(_line(self.title, how)), self._lines(how, latex, width)
        return "\n".join([title, body, *(BELOW[how].format(_line(note, how)) for note in self.notes)])

    def _lines(self, how: str, latex: Latex | None, width: int | None) -> str:
        """Header and rows in a format."""
        if how == "latex":
            return self._latex(latex or Latex())
        return self._body(how) if how != "text" or width is None else "\n\n".join(self._blocks(width))

    def _blocks(self, width: int) -> Iterator[str]:
        """The table as text in blocks of as many columns as fit; a column that does not fit is a block alone."""
        first, rest = self.cells.iloc[:, :1], self.cells.iloc[:, 1:]
        while True:
            taken, block = 1, self._part(first, rest.iloc[:, :1])
            while taken < rest.shape[1] and _width(wider := self._part(first, rest.iloc[:, : taken + 1])) <= width:
                taken, block = taken + 1, wider
            yield block
            rest = rest.iloc[:, taken:]
            if not rest.shape[1]:
                return

    def _part(self, first: pd.DataFrame, columns: pd.DataFrame) -> str:
        return replace(self, cells=pd.concat([first, columns], axis=1), groups=())._body("text")

    def _body(self, how: str) -> str:
        """The cells and their headers."""
        from tabulate import tabulate

        cells = self._escaped(how).to_dict("list")
        return tabulate(cells, headers="keys", tablefmt=FORMATS[how], disable_numparse=True)

    def _latex(self, options: Latex) -> str:
        """The table in LaTeX."""
        columns = []
        for i, header in enumerate(map(str, self.cells.columns)):
            group = self.groups[i] if self.groups else ""
            cells = [_latex_cell(cell) for cell in self.cells.iloc[:, i]]
            title = with_symbols(escape(header.removeprefix(f"{group} "), "latex"))
            columns.append(Column(title, cells, escape(group, "latex")))
        return latex(columns, options)

    def _escaped(self, how: str) -> pd.DataFrame:
        """Cells and headers, escaped for a format."""
        frame = self._texts(how, escaped=True)
        return frame.set_axis([escape(str(name), how) for name in frame.columns], axis=1)

    def _texts(self, how: str, escaped: bool = False) -> pd.DataFrame:
        """The cells as texts; numbers stay numbers."""

        def text(cell: object) -> object:
            if isinstance(cell, str):
                return escape(cell, how) if escaped else cell
            if not isinstance(cell, Cell):
                return cell
            safe = Cell(escape(cell.text, how), cell.spread, cell.remark, cell.mark, cell.rank) if escaped else cell
            return safe.ranked(how) if self.ranked else str(safe)

        return self.cells.apply(lambda column: column.map(text))


def _latex_cell(cell: object) -> Cell | str:
    """A cell whose texts are escaped."""
    if not isinstance(cell, Cell):
        return escape(str(cell), "latex")
    return replace(cell, text=escape(cell.text, "latex"), remark=escape(cell.remark, "latex"))


def render_all(tables: Sequence[Table], how: str, latex: Latex | None = None, width: int | None = None) -> str:
    """Tables one below the other. Raises ConfigError if several would share a caption or a label."""
    if latex and (latex.caption or latex.label) and len(tables) > 1:
        raise ConfigError(
            f"a caption and a label are of one table, and these are {len(tables)}; choose one by benchmark, task, "
            "noise and seed, or join tasks and seeds with --by-task"
        )
    return "\n\n".join(table.render(how, latex, width) for table in tables)
