"""Publishing released records: to a folder, or to a dataset repository of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from invbench.analysis.tables import build_tables
from invbench.atomic import write_atomic
from invbench.errors import ConfigError, StoreError, one_line
from invbench.store.reader import LoadedCell
from invbench.store.release import release

if TYPE_CHECKING:
    from invbench.plugins import Catalog

HUB = "hf:"  # hf:owner/name
NAME = re.compile(r"[\w.-]+/[\w.-]+")
CARD = """---
tags: [invbench, inverse-problems]
---

# Records of invbench

Every number has its provenance. `invbench table --out FOLDER` prints the tables, `invbench explain CELL --out FOLDER`
shows the provenance of a cell, and `invbench leaderboard FOLDER ...` shows several people's records side by side.

"""


def publish(cells: Sequence[LoadedCell], out: Path, to: str, catalog: Catalog, dry_run: bool) -> Iterator[str]:
    """Release cells of ``out``, with a card that holds their tables, to a folder or to ``hf:owner/name``.

    Yields a line for each file and, except in a ``dry_run``, one for the target. Raises ConfigError if the name is
    invalid or huggingface_hub is absent, StoreError if the target cannot be written.
    """
    check_place(to)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "records"
        for _ in release(cells, out, folder):
            pass
        tables = build_tables(cells, *catalog.for_tables())
        write_atomic(folder / "README.md", (CARD + "\n\n".join(table.render("md") for table in tables) + "\n").encode())
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            yield f"{path.relative_to(folder).as_posix()}: {path.stat().st_size:,} bytes"
        if not dry_run:
            yield _uploaded(folder, to.removeprefix(HUB)) if to.startswith(HUB) else _copied(folder, Path(to))


def check_place(to: str) -> None:
    """Raise ConfigError if records cannot be published there."""
    if not to.startswith(HUB):
        return
    if not NAME.fullmatch(to.removeprefix(HUB)):
        raise ConfigError(f"expected hf:owner/name, a dataset repository of the Hugging Face Hub; got {to!r}")
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise ConfigError(f"{to} needs huggingface_hub: pip install 'invbench[hub]'") from None


def _copied(folder: Path, to: Path) -> str:
    try:
        shutil.copytree(folder, to, dirs_exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {to}: {error.strerror or one_line(str(error))}") from None
    return str(to)


def _uploaded(folder: Path, name: str) -> str:
    """Commit the files to a dataset repository, which is created if needed; returns its address."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        address = api.create_repo(name, repo_type="dataset", exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, repo_type="dataset", commit_message="Add records of invbench"
        )
    except Exception as error:  # errors of the client, and of its HTTP library
        reason = one_line(str(error).strip().partition("\n")[0])
        raise StoreError(f"cannot publish to {name}: {reason}; you log in with 'hf auth login'") from None
    return str(address)
