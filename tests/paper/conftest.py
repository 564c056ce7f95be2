"""What tests of the paper's tables share: a paper that is made up, and released records that are read once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from invbench.paper import printed, records
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.released import results_folder

RELEASED = results_folder() / "reference"
LAYOUT = """
title = "Other"
noise = "gaussian 0.1 [-1,1]"

[benchmarks]
Faces = { name = "ffhq256", prior = "adm_ffhq256" }

[tasks]
SR = { name = "sr4", label = "upscaling" }

[methods]
Ours = "ddrm"

[metrics]
PSNR = { name = "psnr", better = "higher" }
KID = { name = "kid", better = "lower", proxy = "kid_alex" }

[tables]
2 = { title = "Other, Table 2: upscaling" }
"""
NUMBERS = """table,dataset,task,noise,method,nfe,metric,value,note
2,Faces,SR,gaussian,Ours,20,PSNR,27.1,
2,Faces,SR,gaussian,Theirs,20,PSNR,26.0,
2,Faces,SR,gaussian,Ours,20,KID,0.5,
"""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published folder, which holds the files of one paper."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "other.toml").write_text(LAYOUT)
    (folder / "other.csv").write_text(NUMBERS)
    monkeypatch.setattr(printed, "results_folder", lambda: tmp_path)
    return folder


@cache
def released(folder: Path, filters: frozenset[tuple[str, str]]) -> tuple[LoadedCell, ...]:
    return tuple(load_cells(folder, **dict(filters)))


@pytest.fixture(autouse=True, scope="module")
def released_records_are_read_once() -> Iterator[None]:
    """Rather than by each command that adds them to its own."""

    def read(out: Path, **filters: str) -> list[LoadedCell]:
        if RELEASED in (out, *out.parents):
            return list(released(out, frozenset(filters.items())))
        return load_cells(out, **filters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "load_cells", read)
        yield
