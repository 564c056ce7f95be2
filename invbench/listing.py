"""Which files of a folder are images, by name only: no file is opened.

Free of torch and Pillow, so that folders can be listed anywhere.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize

from invbench.errors import DataError


@dataclass(frozen=True)
class Listing:
    """Images by id, in lexicographic order; names that cannot be ids, with the reason; and the other files seen."""

    images: dict[str, Path]
    unusable: dict[str, str]
    seen: Counter[str]
    dangling: list[str]


def list_images(root: Path, suffixes: Collection[str]) -> Listing:
    """Files below ``root`` that end in one of ``suffixes``, whatever their case.

    Names that begin with a dot are hidden. Links are followed; a folder is entered once, by its own path rather than by
    a link, and never through a link to a folder that contains the link. Ids are relative paths in the composed form of
    Unicode (NFC), which is the same on every system; files whose names differ only in that form keep their own.
    """
    images: list[str] = []
    unusable: dict[str, str] = {}
    other_files: Counter[str] = Counter()
    dangling: list[str] = []
    for name, problem in _walk(root, other_files):
        suffix = Path(name).suffix.strip().lower()
        if problem:
            unusable[printable(name)] = problem
        elif suffix in suffixes:
            images.append(name)
        elif _is_dangling(root / name):
            dangling.append(printable(name))
        elif suffix:
            other_files[f"ending in {printable(suffix)}"] += 1
        else:
            other_files["without a suffix"] += 1
    odd, good = (sorted(name for name in images if _is_unicode(name) == is_unicode) for is_unicode in (False, True))
    unusable |= {printable(name): f"the name of {printable(root / name)} is not UTF-8; rename it" for name in odd}
    return Listing(_ids(root, good), unusable, other_files, sorted(dangling))


def _ids(root: Path, names: Sequence[str]) -> dict[str, Path]:
    """Paths by id, sorted: names in the composed form of Unicode, except for files that differ only in that form."""
    composed = Counter(normalize("NFC", name) for name in names)
    ids = {n if composed[normalize("NFC", n)] > 1 else normalize("NFC", n): root / n for n in names}
    return dict(sorted(ids.items()))


def find_image(root: Path, image: str) -> Path:
    """The file of an id below ``root``, in any Unicode form of its name. Raises DataError for a path outside."""
    parts = image.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in image:
        raise DataError(f"no image {printable(image)!r} in {printable(root)}: expected the path of a file below it")
    if os.path.lexists(root / image):
        return root / image
    paths = [root]
    for part in parts:
        paths = [path / name for path in paths for name in _spellings(path).get(normalize("NFC", part), [])]
    return next(iter(paths), root / image)


def printable(name: str | Path) -> str:
    """A file's name for messages: one line, with unprintable characters as backslash escapes."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(name))


def _entries(folder: Path, other_files: Counter[str]) -> list[os.DirEntry[str]]:
    """The visible entries of a folder, by name, and the number of hidden ones."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    if hidden := len(entries) - len(visible):
        other_files["hidden"] += hidden
    return visible


def _is_dangling(path: Path) -> bool:
    return os.path.islink(path) and not os.path.exists(path)


def _walk(root: Path, other_files: Counter[str]) -> Iterator[tuple[str, str]]:
    """Names of files below root, with "/" between folders, each with the reason why it cannot be listed, or ""."""
    folders, links, entered = deque([""]), deque[str](), set[str]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        here = os.path.realpath(root / folder)
        if here in entered:
            continue
        entered.add(here)
        try:
            entries = _entries(root / folder, other_files)
        except OSError as error:
            yield folder, f"cannot look into {printable(root / folder)}: {error.strerror}"
            continue
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if not _is_folder(entry):
                yield name, ""
            elif not entry.is_symlink():
                folders.append(name)
            elif not Path(here).is_relative_to(os.path.realpath(entry.path)):  # else a loop
                links.append(name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _spellings(folder: Path) -> dict[str, list[str]]:
    """The names in a folder by their composed form."""
    try:
        return _names(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=1000)
def _names(folder: Path, _changed: int) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):
        names.setdefault(normalize("NFC", name), []).append(name)
    return names


def _is_unicode(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)


def _escaped(character: str) -> str:
    """The character as a backslash escape; a byte that is not UTF-8, a surrogate in Python, as that byte."""
    is_byte = "\udc80" <= character <= "\udcff"
    return f"\\x{ord(character) - 0xDC00:02x}" if is_byte else ascii(character)[1:-1]
