"""The folder of published and released results."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SOURCE = "invbench_results"


def results_folder() -> Path:
    """The folder of published numbers and of our own released records, as installed."""
    spec = find_spec(SOURCE)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next(path for path in map(Path, places) if (path / "published").is_dir())
