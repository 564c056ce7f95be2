"""Python values as the command line writes them."""

from __future__ import annotations

from typing import Any

import pytest

from invbench.api.words import word, words_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (False, "false"),
        (1e-3, "0.001"),
        ([True, None], "true,null"),
        (("a,b", "c"), "'a,b',c"),
        ({"width": 5, "sizes": (1, 2)}, "{width:5,sizes:1,2}"),
        (range(3), "0,1,2"),
        ("gaussian 0.1 [-1,1]", "gaussian 0.1 [-1,1]"),
    ],
)
def test_a_value_is_written_as_a_user_would(value: Any, text: str) -> None:
    assert word(value) == text


def test_two_underscores_are_a_point_and_one_is_none() -> None:
    assert words_of({"solver__nfe": 5, "batch_size": 2}) == ["solver.nfe=5", "batch_size=2"]
