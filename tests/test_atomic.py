"""Files are whole or not there, and parts that a kill left behind go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from invbench import atomic
from invbench.atomic import drop_parts, write_atomic


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_atomic(tmp_path / "a.json", content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"second"}


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "a.json", b"old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"old"}


def test_parts_of_dead_processes_go_and_those_of_living_ones_and_of_other_files_stay(tmp_path: Path) -> None:
    living, dead = os.getppid(), 2**22 + 1  # no process has a number above Linux's greatest
    names = {f"a.json.{living}.part", f"a.json.{dead}.part", f"b.json.{dead}.part"}
    for name in names:
        (tmp_path / name).touch()
    write_atomic(tmp_path / "a.json", b"")
    assert {path.name for path in tmp_path.iterdir()} == (names - {f"a.json.{dead}.part"}) | {"a.json"}


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("é" * 127), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["é" * 127]


def test_all_parts_of_a_folder_are_dropped_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.json", "a.json.1.part", "b.part"):
        (tmp_path / name).touch()
    drop_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
