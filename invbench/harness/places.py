"""Folders and files that the user names: any legal name, taken literally."""

from __future__ import annotations

import os
from pathlib import Path

from invbench.errors import ConfigError, StoreError


def folder(text: str, key: str = "out") -> Path:
    """The folder of that name; ``~`` at its start is the home folder. Raises ConfigError for an impossible name."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{key}: expected a folder whose name is UTF-8, got {text!r}; rename it, or link to it"
        ) from None
    if not text or "\0" in text:
        raise ConfigError(f"{key}: expected a folder, got {text!r}")
    path = Path(os.path.expanduser(text))
    return path.absolute() if str(path).startswith("~") else path  # ./~ is no home folder


def refuse_unwritable(folder: Path, advice: str = "choose another out=FOLDER") -> None:
    """Raise StoreError for a folder that is not there and cannot be made, or in which nothing can be written."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}; {advice}") from None
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise StoreError(f"cannot write to {folder}: {there} is not a writable folder; {advice}")
