"""What can go wrong, as one tree.

::

    InvbenchError
    ├── ConfigError          a name, an option or a value the user wrote
    ├── PluginError          a plugin that is broken, duplicated or of the wrong form
    ├── UnsupportedProblem   solver and problem do not fit; the runner records the cell as skipped
    ├── DataError            a dataset, an image or a checkpoint that is absent or damaged
    ├── SolverError          a plugin that ended the process, or a solver that returned something unusable
    ├── MetricError          a metric that returned something unusable
    ├── TrainingError        a training that cannot continue
    └── StoreError           a results folder that is full, read-only or damaged
        └── LockedCell       a cell that another process is running

Messages say what was expected, what was found and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class InvbenchError(Exception):
    """Base class: the command line prints the message alone, without a traceback."""


class ConfigError(InvbenchError):
    """A name, an option or a value the user wrote."""


class PluginError(InvbenchError):
    """A plugin that is broken, duplicated or of the wrong form."""


class UnsupportedProblem(InvbenchError):
    """Solver and problem do not fit; the runner records the cell as skipped, with this reason."""


class DataError(InvbenchError):
    """A dataset, an image or a checkpoint that is absent or damaged."""


class SolverError(InvbenchError):
    """A solver that returned something unusable."""


class MetricError(InvbenchError):
    """A metric that returned something unusable."""


class TrainingError(InvbenchError):
    """A training that cannot continue: losses that are not finite, or no memory left."""


class StoreError(InvbenchError):
    """A results folder that is full, read-only or damaged."""


class LockedCell(StoreError):
    """A cell that another process is running."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Message for an unknown name, with the nearest known ones.

    >>> unknown("solver", "ddrn", ["ddrm", "pinv"])
    "unknown solver 'ddrn'; did you mean 'ddrm'? Available: ddrm, pinv"
    """
    import difflib

    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return f"unknown {what} {name!r}{hint} Available: {', '.join(known) or 'none'}"


def shortened(text: str, most: int = 300) -> str:
    """The text without its middle where it is longer than ``most`` characters.

    >>> shortened("0123456789", 7)
    '01...89'
    """
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def one_line(text: str, most: int = 2000) -> str:
    r"""The text as one line that is safe to print: control characters are escaped.

    >>> one_line("a\nb\x1b[0m")
    'a\\nb\\x1b[0m'
    """
    return shortened("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text), most)
