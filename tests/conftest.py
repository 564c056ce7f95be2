"""Shared fixtures: the command line as a user runs it, in a folder of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result, called

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell has it for jobs in the background, and their children
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def invbench(tmp_path: Path) -> Callable[..., Result]:
    """``invbench("run", "solver=pinv", ...)`` in ``tmp_path``: returncode, stdout, stderr.

    It runs in this process, which spares the seconds of an import of torch.
    """
    return lambda *words: called(words, tmp_path)
