"""The JSON files of a results folder: damage is named, and numbers are JSON by the letter."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from made import bench_of, made_run
from msgspec.structs import replace as replace_fields
from storing import run_of

from invbench.errors import StoreError
from invbench.store.jsonfiles import json_text, read_bench, read_json, read_sets
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore


def test_another_format_is_refused(store: CellStore, tmp_path: Path) -> None:
    with store.writing():
        store.write_run(replace_fields(run_of(), format=99))
    with pytest.raises(StoreError, match=r"run\.json cannot be read \(it has format 99, this invbench reads 2"):
        store.read_run()
    with pytest.warns(UserWarning, match=r"left out: .*run\.json cannot be read \(it has format 99"):
        assert load_cells(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "null"])
def test_a_damaged_run_json_is_refused(store: CellStore, tmp_path: Path, text: str) -> None:
    with store.writing():
        (store.folder / "run.json").write_text(text)
    with pytest.warns(UserWarning, match=r"left out: .*run\.json cannot be read"):
        assert load_cells(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "it holds no JSON object"),
        ("[" * 10**5, "it is nested too deep"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ("{", "Expecting property name"),
    ],
)
def test_what_is_no_json_object_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, r"Expected `int` >= 1 - at `\$\.config\.samples`"),
        ({"task": {"name": "t", "noise": 3}}, r"Expected `str` - at `\$\.config\.task\.noise`"),
        ({"task": {"name": "t", "noise": "gaussian 0.1"}}, "has no unit"),
        ({"solver": "ddrm"}, r"Expected `object`, got `str` - at `\$\.config\.solver`"),
    ],
)
def test_a_configuration_that_is_none_names_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made_run(changes)


def test_numbers_that_json_has_not_are_null_and_nan_again_in_scores(tmp_path: Path) -> None:
    text = json_text({"a": {"images": ["x"], "scores": [{"metric": "m", "protocol": "p", "value": nan, "low": -inf}]}})
    assert '"value": null' in text
    (tmp_path / "sets.json").write_text(text.replace('"low"', '"high": 2.0, "low"'))
    (score,) = read_sets(tmp_path / "sets.json")["a"].scores
    assert (score.high, score.n) == (2.0, 1)
    assert score.value != score.value != score.low


def test_sets_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "sets.json").write_text('{"0f": 1}')
    with pytest.raises(ValueError, match=r"Expected `object` - at `\$\.0f`"):
        read_sets(tmp_path / "sets.json")


def test_measured_costs_are_read_only_as_they_were_written(tmp_path: Path) -> None:
    path, bench = tmp_path / "bench-s.json", bench_of(made_run({}).config, 1.5)
    path.write_text(json_text(bench.plain()))
    assert read_bench(path) == bench
    path.write_text(path.read_text().replace("1.5", "1.4"))
    with pytest.raises(ValueError, match="it is not as 'invbench bench' wrote it"):
        read_bench(path)
