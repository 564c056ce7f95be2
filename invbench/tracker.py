"""Trackers: other programs that follow cells and trainings, such as Weights & Biases and MLflow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from PIL.Image import Image


class Tracker(ABC):
    """Follows cells and trainings, one after the other, each from ``begin`` to ``end``.

    It is created once per command, without arguments; if its library is absent, the constructor should raise a
    ConfigError that names the library, before anything is run. An error in a later method only stops the export: it
    becomes a warning, and the tracker is not called again. It runs in the process of the command, and has no options:
    the environment variables of its library say where results go.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""

    @abstractmethod
    def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
        """A ``"cell"`` or a ``"training"`` begins, or is already recorded and is reported again.

        ``name`` is for people, as photos/sr4/ddrm. ``key``, 12 characters, is the same where the same thing is run
        again or resumes. ``config``, by option as ``solver.nfe``, are the plain values that determine the result.
        """

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a training after ``step`` steps: mean losses, or those of a validation."""

    @abstractmethod
    def end(self, status: str, values: Mapping[str, float], picture: Image | None) -> None:
        """The cell or training is ``complete``, ``skipped``, ``interrupted`` or ``failed``.

        For a cell, ``values`` are means over images by metric, including seconds and network calls. ``picture`` shows
        some reconstructions, if there are any.
        """
