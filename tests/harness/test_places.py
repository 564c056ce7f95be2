"""Folders of any legal name."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench.errors import ConfigError
from invbench.harness.places import folder


def test_home_is_meant_by_a_tilde_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert folder("~/x") == tmp_path / "x"
    assert folder("./~") == tmp_path / "~"
    assert folder("~nobody-of-that-name").name == "~nobody-of-that-name"


@pytest.mark.parametrize("name", ["", "a\0b", "caf\udce9"])
def test_what_can_be_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="out: expected a folder"):
        folder(name)
