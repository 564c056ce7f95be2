r"""Tables in LaTeX, as papers have them: booktabs, the best bold, the second best underlined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from invbench.analysis.cell import BEST, OTHER, SECOND, Cell
from invbench.errors import ConfigError

LABEL = re.compile(r"[A-Za-z0-9:._/+-]+")
NUMBER = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]+))?")
SYMBOLS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$"}  # noqa: RUF001
WORDS = {"best": "", "tie": r"$^{=}$", "*": r"$^{*}$", "": ""}
LEGEND = {
    BEST: r"\textbf: the best of a column",
    SECOND: r"\underline: the second best",
    "tie": "superscript =: not significantly different from the best",
}


@dataclass(frozen=True)
class Latex:
    r"""How a table is written: with a caption (itself LaTeX) or a label, in an environment ``table``.

    ``siunitx`` aligns columns of numbers at their decimal points, as columns S of that package. Raises ConfigError for
    a caption that would not compile, or a label with other characters than letters, digits and :._/+-.
    """

    caption: str = ""
    label: str = ""
    siunitx: bool = False

    def __post_init__(self) -> None:
        if self.label and not LABEL.fullmatch(self.label):
            raise ConfigError(f"expected a label of letters, digits and :._/+-, such as tab:sr4; got {self.label!r}")
        bare = re.sub(r"\\.", "", self.caption)
        if not _balanced(bare) or re.search(r"[%#&\0\n\r]|\\$", bare):
            raise ConfigError(
                r"the caption is LaTeX: expected a line with balanced braces, and \%, \# and \& for these characters; "
                f"got {self.caption!r}"
            )


def _balanced(text: str) -> bool:
    """Whether braces and dollar signs come in pairs."""
    depth = 0
    for c in text:
        depth += (c == "{") - (c == "}")
        if depth < 0:
            return False
    return depth == 0 and text.count("$") % 2 == 0


@dataclass(frozen=True)
class Column:
    """A column of a table: header and cells, their texts escaped; ``group`` is a header above it and its neighbours."""

    header: str
    cells: Sequence[Cell | str]
    group: str = ""

    @property
    def of_values(self) -> bool:
        """Whether it holds values, which are right-aligned."""
        return any(isinstance(cell, Cell) for cell in self.cells)

    @property
    def numbers(self) -> list[tuple[str, str, str]]:
        """Digits before and after the point, and of the deviation, of each cell; empty if one is not a number.

        Cells without a value, such as "-" or "nan", are ignored.
        """
        cells = [cell for cell in self.cells if not (isinstance(cell, str) and cell == "-")]
        numbers = [_number(cell) for cell in cells if str(cell) not in ("nan", "inf")]
        return [each for each in numbers if each] if all(numbers) else []

    def spec(self, options: Latex) -> str:
        """The column type in the environment's argument."""
        numbers = self.numbers if options.siunitx else []
        if not numbers:
            return "r" if self.of_values else "l"
        integer_digits = max(len(each[0].lstrip("+-")) for each in numbers)
        sign = "-" if any(each[0].startswith("-") for each in numbers) else ""
        uncertain = max(len(each[2].replace(".", "").lstrip("0")) for each in numbers)
        size = f"{sign}{integer_digits}.{self.decimals}" + (f"({uncertain})" if uncertain else "")
        separate = ", separate-uncertainty" if uncertain else ""
        return f"S[table-format={size}, detect-weight{separate}]"

    @property
    def decimals(self) -> int:
        """The most digits after the point."""
        return max((len(each[1]) for each in self.numbers), default=0)

    def written(self, options: Latex) -> list[str]:
        """The cells as LaTeX."""
        aligned = bool(options.siunitx and self.numbers)
        return [self._aligned(cell) if aligned else plain(cell) for cell in self.cells]

    def title(self, options: Latex) -> str:
        """The header as LaTeX; in braces where numbers are expected."""
        return f"{{{self.header}}}" if options.siunitx and self.numbers else self.header

    def _aligned(self, cell: Cell | str) -> str:
        """A cell of a column S: a number, or else in braces."""
        number = _number(cell)
        if number is None or isinstance(cell, str):
            return f"{{{plain(cell)}}}" if number is None else str(cell)
        text = cell.text.removeprefix("+") + cell.spread.replace("±", "+-").replace(" ", "")
        mark = f"{{\\rlap{{{WORDS[cell.mark]}}}}}" if WORDS[cell.mark] else ""
        if (
            cell.rank == SECOND
        ):  # siunitx does not take a command with an argument as part of a number: pad to its width instead
            left = max(len(each[0].lstrip("+-")) for each in self.numbers) - len(number[0].lstrip("+-"))
            right = self.decimals - len(number[1])
            value = f"{_phantom(left)}\\underline{{{_printed(cell)}}}{_phantom(right)}"
            return f"{{{value}{mark[1:-1]}}}"
        return rf"\bfseries {text}{mark}" if cell.rank == BEST else f"{text}{mark}"


def _number(cell: Cell | str) -> tuple[str, str, str] | None:
    """Digits before and after the point, and those of the deviation; None if a cell is not a number."""
    value = cell if isinstance(cell, Cell) else Cell(cell)
    match = NUMBER.fullmatch(value.text)
    deviation = NUMBER.fullmatch(value.spread.removeprefix("± ")) if value.spread else None
    if not match or (value.spread and not deviation) or value.remark:
        return None
    return match[1], match[2] or "", deviation[0] if deviation else ""


def _phantom(digits: int) -> str:
    """Space of the width of that many digits."""
    return rf"\phantom{{{'0'.zfill(digits)}}}" if digits else ""


def _printed(cell: Cell) -> str:
    """Value and deviation."""
    return with_symbols(" ".join(part for part in (cell.text, cell.spread) if part))


def plain(cell: Cell | str) -> str:
    """A cell in a column of no special kind."""
    if isinstance(cell, str):
        return with_symbols(cell)
    spread = f" {cell.spread}" if cell.spread else ""
    marked = {BEST: r"\textbf{%s}", SECOND: r"\underline{%s}"}.get(cell.rank, "%s")
    value = marked % (cell.text + spread) if spread.startswith(" ±") else marked % cell.text + spread
    return with_symbols(value + (f" {cell.remark}" if cell.remark else "") + WORDS.get(cell.mark, f" {cell.mark}"))


def with_symbols(text: str) -> str:
    """The text with arrows and signs as commands of mathematics."""
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text


def latex(columns: Sequence[Column], options: Latex) -> str:
    """The environment ``tabular``, in an environment ``table`` where it has a caption or a label."""
    if not columns:
        return "% no rows"
    packages = r"\usepackage{booktabs} \usepackage{siunitx}" if options.siunitx else r"\usepackage{booktabs}"
    opening, closing = _float(options)
    return "\n".join([f"% needs: {packages}", *_legend(columns), *opening, *_tabular(columns, options), *closing])


def _float(options: Latex) -> tuple[list[str], list[str]]:
    """The environment ``table`` before and after its content; nothing without caption and label."""
    named = {"caption": options.caption, "label": options.label}
    lines = [rf"\{command}{{{text}}}" for command, text in named.items() if text]
    return ([r"\begin{table}", r"\centering", *lines], [r"\end{table}"]) if lines else ([], [])


def _tabular(columns: Sequence[Column], options: Latex) -> Iterator[str]:
    """The environment ``tabular``, its columns as wide as their widest cell."""
    specs = "".join(column.spec(options) for column in columns)
    yield from (rf"\begin{{tabular}}{{{specs}}}", r"\toprule", *_groups(columns))
    rows = [[column.title(options) for column in columns], *zip(*(c.written(options) for c in columns), strict=True)]
    widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
    printed = [_row([text.ljust(width) for text, width in zip(row, widths, strict=True)]) for row in rows]
    yield from (printed[0], r"\midrule", *printed[1:], r"\bottomrule", r"\end{tabular}")


def _row(texts: Sequence[str]) -> str:
    r"""A line of cells; a bracket or star at its start would be an argument of the ``\\`` before it."""
    first = f"{{}}{texts[0]}" if texts[0].startswith(("[", "*")) else texts[0]
    return rf"{' & '.join([first, *texts[1:]])} \\"


def _groups(columns: Sequence[Column]) -> Iterator[str]:
    """The line above the headers, and the rules below each group of it; none without groups."""
    texts, rules, at = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        texts += [rf"\multicolumn{{{width}}}{{c}}{{{with_symbols(group)}}}"] if group else [""] * width
        rules += [rf"\cmidrule(lr){{{at}-{at + width - 1}}}"] if group else []
        at += width
    if rules:
        yield _row(texts)
        yield " ".join(rules)


def _legend(columns: Sequence[Column]) -> Iterator[str]:
    """The meaning of the marks that occur, as a comment."""
    cells = [cell for column in columns for cell in column.cells if isinstance(cell, Cell)]
    used = {cell.rank for cell in cells} - {OTHER} | {cell.mark for cell in cells}
    if texts := [text for mark, text in LEGEND.items() if mark in used]:
        yield f"% {'; '.join(texts)}"
