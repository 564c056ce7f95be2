"""Libraries that some plugins need, and that are extras."""

from __future__ import annotations

import pytest


def skip_without_its_library(name: str) -> None:
    """Skip the test where the plugin of this name needs a library that is absent."""
    if name.startswith("deepinv"):
        pytest.importorskip("deepinv", reason="needs the extra deepinv")
