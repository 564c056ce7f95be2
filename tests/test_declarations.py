"""Mistakes of an author in what a class must declare are told by name."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
from zoo import CONTROLS
from zoo.solvers import GoodSolver

import invbench as ib
from invbench.declarations import check
from invbench.errors import PluginError


@pytest.mark.parametrize("claimed", [("bfloat16",), ("float32", "int8"), "float32"])
def test_precisions_that_cannot_be_claimed_are_refused(claimed: Any) -> None:
    (_, good), *_ = [control for control in CONTROLS if control[0] == "task"]
    odd = dataclasses.dataclass(frozen=True)(type("Odd", (good,), {"precisions": claimed}))
    with pytest.raises(PluginError, match="expected precisions of 'float32', 'bfloat16', a tuple with 'float32'"):
        check(odd, "task", ib.Task)


class Measured(ib.Metric):
    """A metric that declares all it must."""

    name: ClassVar[str] = "measured"
    protocol: ClassVar[str] = "measured/1"
    higher_is_better: ClassVar[bool] = True

    def __call__(self, x_hat: Any, measurement: Any) -> Any:
        return x_hat


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": 3}, "metric Odd needs a class attribute 'name'"),
        ({"name": "../up"}, "its name must be of letters, digits"),
        ({"name": "x" * 65}, "at most 64 characters long"),
        ({"protocol": ""}, "its protocol is empty; say what the number depends on"),
        ({"unit": None}, "expected a text as class attribute 'unit'"),
        ({"higher_is_better": "no"}, "needs higher_is_better: True, False, or None"),
        ({"target": "1"}, "expected a number or None as target; got '1'"),
        ({"headline": 1}, "True or False as headline; got 100, 1"),
        ({"digits": "three"}, "digits must be a number format such as '.3f'; got 'three'"),
    ],
)
def test_texts_and_numbers_of_a_metric_are_checked(attributes: dict[str, Any], message: str) -> None:
    check(Measured, "metric", ib.Metric)
    with pytest.raises(PluginError, match=message):
        check(type("Odd", (Measured,), attributes), "metric", ib.Metric)


def test_what_is_no_subclass_or_lacks_a_method_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match=r"expected a subclass of invbench.Solver for a solver; got <class 'int'>"):
        check(int, "solver", ib.Solver)
    with pytest.raises(PluginError, match="tracker Idle does not define: begin, end, log"):
        check(type("Idle", (ib.Tracker,), {"name": "idle"}), "tracker", ib.Tracker)


def test_an_option_of_the_base_that_is_none_is_told_how_to_be_written() -> None:
    odd = dataclasses.make_dataclass("Odd", [("summary", str, "text")], bases=(GoodSolver,), frozen=True)
    with pytest.raises(PluginError, match=r"summary is not an option; write summary: ClassVar\[str\] ="):
        check(odd, "solver", ib.Solver)
