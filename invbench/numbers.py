"""The version of the numbers, which is part of a cell's identity in place of the package's version."""

from __future__ import annotations

OURS = "invbench"
NUMBERS = "0.1.0"  # raised when a solver, task, dataset or prior of ours gives other numbers (docs/release.md)
TRAININGS = "0.3.0"  # raised when a training gives other weights


def numbers_of(distribution: str, version: str) -> tuple[str, str]:
    """A distribution, and its version in the identity of a cell."""
    return distribution, NUMBERS if distribution == OURS else version
