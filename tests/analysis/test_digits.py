"""Digits of metrics, ours and a stranger's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from invbench.analysis.digits import format_interval, format_value, spec_of
from invbench.analysis.rows import format_mean
from invbench.metric import Metric
from invbench.plugins import load_catalog


class Theirs(Metric):
    """A stranger's metric."""

    name: ClassVar[str] = "theirs"
    protocol: ClassVar[str] = "theirs/1"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, *_: Any) -> Any: ...


class Percent(Theirs):
    name: ClassVar[str] = "percent"
    digits: ClassVar[str] = ".1f"


class Broken(Theirs):
    name: ClassVar[str] = "broken"
    digits: ClassVar[str] = "many"


METRICS = {cls.name: cls for cls in (Theirs, Percent, Broken)}
OURS, _ = load_catalog().for_tables()


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        *(
            ("theirs", 3e-5, "3e-05"),
            ("theirs", 1234567.891, "1234567.891"),
            ("theirs", 0.0, "0.000"),
            ("theirs", -2e-4, "-0.0002"),
        ),
        *(("theirs", 0.0123, "0.012"), ("theirs", float("nan"), "nan"), ("theirs", float("inf"), "inf")),
        *(("percent", 12345.678, "12345.7"), ("broken", 0.5, "0.500"), ("unknown", 0.5, "0.500")),
        *(("seconds", 0.0123, "0.012"), ("nfe_forward", 20.0, "20"), ("gflops", 3.14159, "3.1")),
    ],
)
def test_a_value_has_the_digits_of_its_metric(metric: str, value: float, text: str) -> None:
    assert format_value(metric, value, METRICS) == text


@pytest.mark.parametrize(("name", "spec"), [("psnr", ".2f"), ("fid", ".2f"), ("fid_legacy", ".2f"), ("ssim", ".3f")])
def test_our_metrics_have_theirs(name: str, spec: str) -> None:
    assert spec_of(name, OURS) == spec


def test_an_interval_of_small_values_is_not_lost() -> None:
    assert format_interval("theirs", 3.2e-5, 3.1e-5, 3.4e-5, METRICS) == "3.2e-05 [3.1e-05, 3.4e-05]"
    assert format_interval("theirs", 2e6, 1.5e6, 2.5e6, METRICS) == "2000000.000 [1500000.000, 2500000.000]"
    assert format_interval("theirs", 0.5, 0.5, 0.5, METRICS) == "0.500"
    assert format_interval("theirs", 0.5, float("nan"), float("nan"), METRICS) == "0.500"


@pytest.mark.parametrize("scale", [1e-9, 1e-5, 1.0, 1e6])
def test_a_mean_is_legible_at_any_scale(scale: float) -> None:
    text = str(format_mean(pd.Series(scale * np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0])), ".3f"))
    mean, _, ends = text.partition(" ")
    low, high = ends.strip("[]").split(", ")
    assert float(low) < float(mean) < float(high)
    assert float(mean) == pytest.approx(4.0 * scale, rel=0.01)
