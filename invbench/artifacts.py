"""Files that users fetch: where they are looked for, and how they are verified.

Order of look-up: an explicit path, the folder ``INVBENCH_DATA``, the cache folder. ``invbench fetch`` puts a
file into the cache. A file whose hash was not published is pinned at its first download.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from invbench.errors import DataError


@dataclass(frozen=True)
class Artifact:
    """A file of weights. ``sha256`` is the whole digest, a prefix of it, or "" where none was published."""

    name: str
    filename: str
    url: str
    sha256: str = ""
    by_hand: str = ""  # what to do where the file cannot be downloaded by a program
    size: str = ""


def cache_folder() -> Path:
    """The user's cache folder for invbench, or ``INVBENCH_CACHE``."""
    import platformdirs

    return Path(os.environ.get("INVBENCH_CACHE") or platformdirs.user_cache_dir("invbench"))


def data_folder() -> Path | None:
    """The folder named by ``INVBENCH_DATA``."""
    value = os.environ.get("INVBENCH_DATA")
    return Path(value).expanduser() if value else None


def data_root(name: str, root: str = "") -> Path:
    """The folder of a dataset whose files are the user's: ``root``, or ``name`` in INVBENCH_DATA. Raises DataError."""
    base = data_folder()
    if not root and base is None:
        raise DataError(f"{name}: the images are not part of invbench; {data_advice(name)}")
    return Path(root).expanduser() if root or base is None else base / name


def data_advice(name: str) -> str:
    """What to do where the files of a dataset are not found."""
    return f"set dataset.root=FOLDER, or INVBENCH_DATA to the folder that holds {name}/"


def locate(artifact: Artifact, explicit: str = "") -> Path:
    """The verified file. Raises DataError where it is absent (with the command that gets it) or differs."""
    if explicit:
        return existing(explicit)
    folders = [f for f in (data_folder(), cache_folder()) if f]
    for folder in folders:
        if (folder / artifact.filename).is_file():
            verify(artifact, folder / artifact.filename)
            return folder / artifact.filename
    searched = ", ".join(map(str, folders))
    raise DataError(
        f"{artifact.name}: {artifact.filename} not found in {searched}; get it with 'invbench fetch {artifact.name}', "
        "or name the folder that holds it in INVBENCH_DATA"
    )


def existing(path: str) -> Path:
    """The file a user named. Raises DataError where it is not there."""
    found = Path(path).expanduser()
    if not found.is_file():
        raise DataError(f"no such file: {found}")
    return found


def verify(artifact: Artifact, path: Path) -> str:
    """SHA-256 of the file. Raises DataError where it is not the published or first-seen one."""
    digest = file_sha256(path)
    pin = _pin(artifact)
    expected = artifact.sha256 or (pin.read_text().strip() if pin.is_file() else "")
    if expected and not digest.startswith(expected):
        raise DataError(f"{path}: expected SHA-256 {expected}, got {digest}; delete the file and fetch it again")
    return digest


def fetch(artifact: Artifact) -> tuple[Path, str]:
    """Download into the cache with a progress bar; returns the path and what was checked."""
    import pooch

    if artifact.by_hand:
        raise DataError(f"{artifact.name}: {artifact.by_hand}")
    folder, complete = cache_folder(), len(artifact.sha256) == 64
    target = folder / artifact.filename
    if not target.is_file():
        part = target.name + ".part"
        known = f"sha256:{artifact.sha256}" if complete else None
        try:
            pooch.retrieve(artifact.url, known_hash=known, fname=part, path=folder, progressbar=_progress())
            verify(artifact, folder / part)
        except Exception as error:
            (folder / part).unlink(missing_ok=True)
            raise DataError(f"{artifact.name}: download from {artifact.url} failed: {error}") from None
        (folder / part).replace(target)
    digest = verify(artifact, target)
    if artifact.sha256:
        return target, f"SHA-256 {digest} matches the published {'hash' if complete else 'prefix'}"
    _pin(artifact).write_text(digest + "\n")
    return target, f"no hash was published; SHA-256 {digest} is recorded, and a file that differs will be refused"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(path: Path) -> str:
    """SHA-256 of weights, gigabytes that a run asks for several times: read once while the file stays as it is."""
    stat = path.stat()
    return _weights_sha256(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _weights_sha256(path: Path, _changed: int, _size: int) -> str:
    return file_sha256(path)


def _pin(artifact: Artifact) -> Path:
    return cache_folder() / f"{artifact.filename}.sha256"


def _progress() -> bool:
    """pooch draws its bar with tqdm, where that is installed."""
    import importlib.util
    import sys

    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
