"""The version of the numbers stands in for that of our distribution, and for no other's."""

from __future__ import annotations

from invbench.numbers import NUMBERS, numbers_of


def test_a_release_of_ours_leaves_cells_alone_and_one_of_a_third_party_does_not() -> None:
    assert numbers_of("invbench", "9.9") == ("invbench", NUMBERS)
    assert numbers_of("invbench-theirs", "9.9") == ("invbench-theirs", "9.9")
