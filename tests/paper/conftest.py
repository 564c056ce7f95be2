"""A paper that is made up here: a pair of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench.paper import printed

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
