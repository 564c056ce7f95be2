"""A store to write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench.store.writer import CellStore


@pytest.fixture
def store(tmp_path: Path) -> CellStore:
    return CellStore(tmp_path / "b" / "t" / "s-c0")
