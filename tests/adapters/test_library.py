"""The library deepinv is an extra, and its absence is told with the command that installs it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from invbench.adapters.library import library
from invbench.errors import DataError


def test_an_absent_library_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepinv", None)
    with pytest.raises(DataError, match=r"pip install 'invbench\[deepinv\]'"):
        library()
    there = ModuleType("deepinv")
    monkeypatch.setitem(sys.modules, "deepinv", there)
    assert library() is there
