"""The authors' checkpoints, which their users download."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from davi_parts import Davi, official

import invbench as ib


def test_the_authors_checkpoints_are_found_by_preset_and_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    with pytest.raises(ib.DataError, match=r"get it with 'invbench fetch davi_ffhq256_sr4'.*; or train them with"):
        Davi().checkpoint("ffhq256", "sr4")
    (tmp_path / "davi" / "ffhq").mkdir(parents=True)
    path = official(tmp_path / "davi" / "ffhq", torch.nn.Linear(1, 1), nested=False)
    assert Davi().checkpoint("ffhq256", "sr4") == path
