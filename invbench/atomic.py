"""Files that are written atomically: whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import os
from pathlib import Path

PART = ".part"  # how the name of a file ends while it is written


def drop_parts(folder: Path) -> None:
    """Remove the half-written files that a kill left in a folder, to which nobody else writes."""
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whatever interrupts it. Raises OSError if it cannot be written."""
    name = path.name if len(os.fsencode(path.name)) < 200 else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    part = path.with_name(f"{name}.{os.getpid()}{PART}")
    try:
        for old in path.parent.glob(f"{glob.escape(name)}.*{PART}"):
            if not _alive(old.name.split(".")[-2]):
                old.unlink(missing_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _alive(pid: str) -> bool:
    """Whether a process with this number is running; true if that cannot be determined."""
    if os.name != "posix" or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
