"""The library deepinv, which is an extra."""

from __future__ import annotations

from typing import Any

from invbench.errors import DataError


def library() -> Any:
    """The package deepinv. Raises DataError, with the command that installs it, where it is absent."""
    try:
        import deepinv
    except ImportError:
        raise DataError("this needs the package deepinv: pip install 'invbench[deepinv]'") from None
    return deepinv
