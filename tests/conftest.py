"""Shared fixtures: the command line as a user runs it, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def invbench(tmp_path: Path) -> Callable[..., Result]:
    """``invbench("run", "solver=pinv", ...)`` in ``tmp_path``: returncode, stdout, stderr."""

    def call(*args: str, **options: object) -> Result:
        command = [sys.executable, "-m", "invbench.cli", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, **options)

    return call
