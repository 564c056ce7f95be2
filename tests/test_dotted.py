"""What a dotted path names, and the digest of the file it is in."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from invbench.dotted import imported, source_of
from invbench.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dotted_base.py").write_text("class Thing:\n    pass\n")
    (tmp_path / "dotted_user.py").write_text("from dotted_base import Thing\nnumber = 3\nthing = Thing()\n")
    (tmp_path / "dotted_broken.py").write_text("raise ValueError('two\\nlines')\n")
    monkeypatch.chdir(tmp_path)
    for name in ("dotted_base", "dotted_user"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_modules_of_the_current_folder_are_found_by_colon_and_by_dot(home: Path) -> None:
    before = list(sys.path)
    assert imported("dotted_user:number", "x") == imported("dotted_user.number", "x") == 3
    assert sys.path == before
    assert home.exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("number", "option: expected package.module:name, got 'number'"),
        ("dotted_absent:x", r"option: cannot import dotted_absent \(No module.*is it installed, or in this folder"),
        ("dotted_broken:x", r"option: importing dotted_broken raised ValueError: two\\nlines"),
        ("dotted_user:nmber", "option: dotted_user has no nmber"),
    ],
)
def test_what_names_nothing_is_refused(home: Path, target: str, message: str) -> None:
    del home
    with pytest.raises(ConfigError, match=message):
        imported(target, "option")


def test_the_digest_is_of_the_file_and_of_the_one_that_defines_the_class(home: Path) -> None:
    def digest(name: str) -> str:
        return hashlib.sha256((home / f"{name}.py").read_bytes()).hexdigest()

    both = hashlib.sha256((digest("dotted_user") + digest("dotted_base")).encode()).hexdigest()
    assert source_of("dotted_user:number", "x") == digest("dotted_user")
    assert source_of("dotted_user:Thing", "x") == source_of("dotted_user:thing", "x") == both
