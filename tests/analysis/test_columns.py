"""Where a metric's column stands, and whether it is shown by default: ours, a stranger's, and costs."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from made import loaded_cell

from invbench.analysis.columns import Column, first, headline_metrics, ordered
from invbench.analysis.tables import build_tables
from invbench.metric import Metric
from invbench.plugins import GROUP, build_catalog, load_catalog

OURS, _ = load_catalog().for_tables()


class Theirs(Metric):
    """A stranger's metric, which says nothing of how it is shown."""

    name: ClassVar[str] = "theirs"
    protocol: ClassVar[str] = "theirs/1"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, *_: Any) -> Any: ...


class Leading(Theirs):
    name: ClassVar[str] = "leading"
    order: ClassVar[int] = 5
    headline: ClassVar[bool] = True


class Between(Theirs):
    name: ClassVar[str] = "between"
    order: ClassVar[int] = 25


ALL = {**OURS, **{cls.name: cls for cls in (Theirs, Between, Leading)}}


def names(*metrics: str) -> list[str]:
    return [column.metric for column in ordered([(name, "p") for name in metrics], ALL)]


def test_columns_of_images_have_a_fixed_order_with_costs_last() -> None:
    expected = ["psnr", "ssim", "lpips_alex", "haarpsi", "kid_alex", "consistency", "fid", "kid", "lpips_vgg"]
    expected += ["nfe_forward", "nfe_backward", "seconds"]
    assert names(*sorted(expected)) == expected
    assert [c.metric for c in ordered([(name, "p") for name in reversed(expected)])] == expected, "of those installed"


def test_columns_of_samples_have_a_fixed_order() -> None:
    samples = ["crps", "coverage", "spread", "div_range", "div_null"]
    assert names(*sorted(samples)) == samples
    halves = [f"{name}_{part}" for name in ("swd", "gap", "std", "cover") for part in ("range", "null")]
    assert names("modes", *sorted(halves)) == [*halves, "modes"]


def test_a_metric_of_a_third_party_stands_where_its_order_says() -> None:
    column_names = names("seconds", "theirs", "psnr", "ssim", "haarpsi", "between", "leading", "lpips_vgg", "unknown")
    assert column_names == [
        "leading",
        "psnr",
        "ssim",
        "between",
        "haarpsi",
        "lpips_vgg",
        "theirs",
        "unknown",
        "seconds",
    ]


def test_protocols_of_a_metric_stand_beside_each_other_by_name() -> None:
    columns = [Column("ssim", "a"), Column("psnr", "b"), Column("psnr", "a")]
    assert ordered(columns, ALL) == [Column("psnr", "a"), Column("psnr", "b"), Column("ssim", "a")]


def test_a_table_has_the_columns_in_that_order() -> None:
    cell = loaded_cell("photos", "sr4", "ddrm", {"theirs": 1.0, "psnr": 20.0, "leading": 2.0, "seconds": 0.5})
    (table,) = build_tables([cell], ALL)
    assert list(table.frame) == ["solver", "n", "leading ↓", "psnr ↑ (dB)", "theirs ↓", "s/image"]


def test_headline_metrics_are_those_that_say_so_in_their_order() -> None:
    assert headline_metrics(OURS) == ["psnr", "lpips_alex", "haarpsi"]
    assert headline_metrics(ALL) == ["leading", "psnr", "lpips_alex", "haarpsi"]
    assert (first(OURS), first(ALL), first({"theirs": Theirs})) == ("psnr", "leading", "")


@pytest.mark.parametrize("wrong", ['order = "first"', "headline = 1", "order = None"])
def test_another_order_or_headline_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    source = f"""
from invbench import Metric, hookimpl
class Odd(Metric):
    name, protocol, higher_is_better = "odd", "odd/1", True
    {wrong}
    def __call__(self, x_hat, measurement): ...
@hookimpl
def invbench_register_metrics():
    return [Odd]
"""
    module = f"odd_metric_{abs(hash(wrong))}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    (broken,) = build_catalog([EntryPoint("odd", module, GROUP)]).broken
    assert "expected a whole number as order, True or False as headline" in broken.reason
