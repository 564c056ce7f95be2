"""The fixed store of the tests of tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench.store.reader import LoadedCell, load_cells


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[LoadedCell]:
    """The cells of the fixed store, with the paths that a user in its parent folder would see."""
    monkeypatch.chdir(Path(__file__).parents[1] / "golden")
    return load_cells(Path("store"))
