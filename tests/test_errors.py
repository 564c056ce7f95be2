"""Texts of messages: near names, one line, no more than is read."""

from __future__ import annotations

import pytest

from invbench.errors import LockedCell, StoreError, one_line, shortened, unknown


def test_an_unknown_name_is_told_with_the_nearest_of_what_there_is() -> None:
    assert unknown("solver", "dddrm", ["pinv", "ddrm"]).startswith("unknown solver 'dddrm'; did you mean 'ddrm'?")
    assert unknown("solver", "xyz", ["pinv"]) == "unknown solver 'xyz'. Available: pinv"
    assert unknown("solver", "xyz", []) == "unknown solver 'xyz'. Available: none"


@pytest.mark.parametrize("length", [299, 300, 301, 5000])
def test_a_text_has_at_most_its_length_and_keeps_both_ends(length: int) -> None:
    text = "a" + "-" * (length - 2) + "b"
    short = shortened(text)
    assert len(short) == min(length, 299 if length > 300 else 300)
    assert (short[0], short[-1], "..." in short) == ("a", "b", length > 300)


def test_what_moves_the_cursor_is_escaped_and_what_is_printed_stays() -> None:
    assert one_line("é \t\r\u2028\x07") == r"é \t\r\u2028\x07"


def test_a_locked_cell_is_an_error_of_the_store() -> None:
    assert issubclass(LockedCell, StoreError)
