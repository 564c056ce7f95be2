"""The command line in this process, as a process of its own would answer: exit status and both streams."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from invbench.cli import main

Result = subprocess.CompletedProcess[str]


def called(words: Sequence[str], cwd: Path, site: Path | None = None) -> Result:
    """``called(["run", "solver=pinv"], folder)``; what lies in ``site`` is installed meanwhile.

    An exception that the command does not make an error message of is raised here.
    """
    with ExitStack() as here:
        here.enter_context(chdir(cwd))
        here.enter_context(patch.object(sys, "argv", ["invbench", *words]))
        here.enter_context(_told())
        if site:
            here.enter_context(_installed(site))
        result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    return subprocess.CompletedProcess(list(words), result.exit_code, result.stdout, result.stderr)


@contextmanager
def _told() -> Iterator[None]:
    """Print warnings to the command's standard error; pytest would keep them for its summary."""

    def show(message: Any, category: Any, filename: str, lineno: int, *_: Any) -> None:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield


@contextmanager
def _installed(site: Path) -> Iterator[None]:
    """Find the modules and distributions of a folder, and forget them afterwards."""
    before = set(sys.modules)
    with patch.object(sys, "path", [str(site), *sys.path]):
        importlib.invalidate_caches()
        yield
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(site):
            del sys.modules[name]
