"""The commands. Imports anything; nothing imports it."""

from invbench.cli.app import main

__all__ = ["main"]
