"""What is recorded of a stretch of work."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from invbench import __version__
from invbench.harness import environment
from invbench.harness.cell import Options
from invbench.harness.environment import now, session


def test_a_session_says_how_and_where_it_ran() -> None:
    made = session(Options(Path("out"), 3, 2, shard=(1, 4), command="invbench run"))
    assert (made.command, made.n, made.batch_size, made.shard) == ("invbench run", 3, 2, (1, 4))
    assert (made.threads, made.python) == (torch.get_num_threads(), platform.python_version())
    assert made.packages["invbench"] == __version__
    assert made.finished is None


def test_time_is_utc_to_the_second() -> None:
    assert datetime.fromisoformat(now()).utcoffset() == timedelta(0)
    assert "." not in now()


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    assert environment._commit() == (None, None)
