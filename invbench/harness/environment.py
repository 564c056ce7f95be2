"""The record of the machine and the code that produced numbers."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from invbench.device import describe
from invbench.harness.cell import Options
from invbench.store.schema import Session


def session(options: Options) -> Session:
    """The record of one session: command, time, machine and versions."""
    commit, dirty = _commit()
    return Session(
        command=options.command,
        started=now(),
        batch_size=options.batch_size,
        n=options.n,
        shard=options.shard,
        device=describe(options.device),
        threads=torch.get_num_threads(),
        platform=platform.platform(),
        python=platform.python_version(),
        packages={name: version(name) for name in ("invbench", "torch", "numpy", "pillow", "scikit-image")},
        commit=commit,
        dirty=dirty,
    )


def _commit() -> tuple[str | None, bool | None]:
    """Commit of the source tree that this package runs from, and whether it has changes; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain"])
    try:
        commit, status = (
            subprocess.run(["git", "-C", str(root), *c], capture_output=True, text=True, check=True, timeout=10).stdout
            for c in commands
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.strip(), bool(status.strip())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
