"""The commands. This layer may import every other; no other imports it."""

from invbench.cli.app import main

__all__ = ["main"]
