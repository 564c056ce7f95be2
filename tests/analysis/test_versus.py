"""Two solvers on the same images: seeds are averaged before images are paired."""

from __future__ import annotations

import numpy as np
import pytest
from tabling import complete

from invbench.analysis.table import Table
from invbench.analysis.versus import versus
from invbench.errors import ConfigError
from invbench.store.reader import LoadedCell

IMAGES = "abcdefgh"


def cell(solver: str, values: list[float], seed: int = 0, y: str = "") -> LoadedCell:
    return complete(solver, "sr4", dict(zip(IMAGES, values, strict=True)), seed, y=y)


def table(*cells: LoadedCell, across_machines: bool = False) -> Table:
    return versus(cells, "a", "b", {"psnr": True}, across_machines)


def test_scores_of_seeds_are_averaged_image_by_image() -> None:
    """a is ahead by 1 on every image in the mean of two seeds, though by 5 and by -3 in each."""
    b = [float(i) for i in range(8)]
    ahead, behind = ([value + by for value in b] for by in (5.0, -3.0))
    pooled = table(cell("a", ahead), cell("a", behind, 1), cell("b", b), cell("b", b, 1))
    (row,) = pooled.frame.to_dict("records")
    assert row["task"] == "b/sr4, seeds 0, 1"
    assert (row["n"], row["a"], row["b"], row["difference"], row["better"]) == ("8", "4.5", "3.5", "+1", "a")
    assert "averaged over them before images are paired; n counts images" in "\n".join(pooled.notes)


def test_averages_are_what_one_seed_of_means_would_be() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 8)) + 20
    cells = [cell(name, list(of_seed), seed) for name, of in (("a", a), ("b", b)) for seed, of_seed in enumerate(of)]
    (pooled,) = table(*cells).frame.to_dict("records")
    (single,) = table(cell("a", list(a.mean(0))), cell("b", list(b.mean(0)))).frame.to_dict("records")
    assert {k: v for k, v in pooled.items() if k != "task"} == {k: v for k, v in single.items() if k != "task"}


def test_an_image_with_no_value_in_a_seed_is_left_out() -> None:
    zeros = [0.0] * 8
    pooled = table(
        cell("a", [float("nan"), *[1.0] * 7]), cell("a", [1.0] * 8, 1), cell("b", zeros), cell("b", zeros, 1)
    )
    assert pooled.frame["n"].tolist() == ["7 (1 nan)"]


def test_seeds_that_one_solver_lacks_are_left_out_and_said_to_be() -> None:
    zeros = [0.0] * 8
    pooled = table(cell("a", [1.0] * 8), cell("a", [9.0] * 8, 1), cell("b", zeros))
    assert pooled.frame["difference"].tolist() == ["+1"]
    assert "Left out: seeds that one of them lacks" in "\n".join(pooled.notes)
    with pytest.raises(ConfigError, match="run them on one task, with one seed"):
        table(cell("a", zeros), cell("b", zeros, 1))


def test_records_without_fingerprints_are_compared_where_that_is_allowed() -> None:
    apart = cell("a", [1.0] * 8), cell("b", [0.0] * 8, y="other")
    with pytest.raises(ConfigError, match="measurements differ.* or add --across-machines"):
        table(*apart)
    allowed = table(*apart, across_machines=True)
    assert allowed.frame["difference"].tolist() == ["+1"]
    assert "WARNING: bytes of measurements differ" in "\n".join(allowed.notes)
