"""Released records are read once for all tests of this folder, rather than by each command that adds them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from invbench.paper import records
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.released import results_folder

RELEASED = results_folder() / "reference"


@cache
def released(folder: Path, filters: frozenset[tuple[str, str]]) -> tuple[LoadedCell, ...]:
    return tuple(load_cells(folder, **dict(filters)))


@pytest.fixture(autouse=True, scope="module")
def released_records_are_read_once() -> Iterator[None]:
    def read(out: Path, **filters: str) -> list[LoadedCell]:
        if RELEASED in (out, *out.parents):
            return list(released(out, frozenset(filters.items())))
        return load_cells(out, **filters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "load_cells", read)
        yield
