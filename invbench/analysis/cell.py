"""A value in a table, in parts, so that each format can mark the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BEST, SECOND, OTHER = 0, 1, 2  # ranks
Spread = Literal["interval", "std", "none"]  # what stands beside a mean: 95 % interval, standard deviation, nothing
MARKS = {  # of the best and the second best value of a column
    "text": ("*{}*", "_{}_"),
    "md": ("**{}**", "<u>{}</u>"),
    "html": ("<b>{}</b>", "<u>{}</u>"),
    "csv": ("{}", "{}"),
}


@dataclass(frozen=True)
class Cell:
    """A value as text, with its interval or deviation, remarks, a mark, and its rank in the column.

    >>> str(Cell("23.85", "[23.10, 24.61]", mark="best"))
    '23.85 [23.10, 24.61] best'
    """

    text: str
    spread: str = ""
    remark: str = ""
    mark: str = ""
    rank: int = OTHER

    def __str__(self) -> str:
        return " ".join(part for part in (self.text, self.spread, self.remark, self.mark) if part)

    def ranked(self, how: str) -> str:
        """The text in format text, md, html or csv, with the mark of its rank."""
        text = MARKS[how][self.rank].format(self.text) if self.rank < OTHER else self.text
        word = "" if self.rank == BEST and self.mark == "best" else self.mark
        return " ".join(part for part in (text, self.spread, self.remark, word) if part)


def ranks(higher: bool | None, values: Sequence[float | None]) -> list[int]:
    """The rank of each value, equal ones sharing it; ``OTHER`` for None, and where neither way is better.

    >>> ranks(True, [3.0, 5.0, 5.0, 4.0, None])
    [2, 0, 0, 1, 2]
    """
    if higher is None:
        return [OTHER] * len(values)
    best = sorted({value for value in values if value is not None and value == value}, reverse=higher)[:OTHER]
    return [best.index(value) if value in best else OTHER for value in values]
