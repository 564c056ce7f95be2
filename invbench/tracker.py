"""Trackers: other programs that follow cells and trainings, such as Weights & Biases and MLflow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from PIL.Image import Image


class Tracker(ABC):
    """Follows cells and trainings, one after the other, each from ``begin`` to ``end``.

    It is made once a command, without arguments; where its library is absent, that is the place to raise a ConfigError
    that names it, before anything is run. What any method raises later costs the export alone: it is a warning, and the
    tracker is not called again. It runs in the process of the command, and has no options: its library's own
    environment variables say where to.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""

    @abstractmethod
    def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
        """A ``"cell"`` or a ``"training"`` begins, or is there already and is reported again.

        ``name`` is for people, as photos/sr4/ddrm. ``key``, 12 characters, is the same where the same thing is run
        again or resumes. ``config``, by option as ``solver.nfe``, are the plain values that determine the result.
        """

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a training after ``step`` steps: mean losses, or those of a validation."""

    @abstractmethod
    def end(self, status: str, values: Mapping[str, float], picture: Image | None) -> None:
        """What was begun is ``complete``, ``skipped``, ``interrupted`` or ``failed``.

        ``values`` are, of a cell, means over images by metric, seconds and network calls among them. ``picture`` shows
        some reconstructions, where there are any.
        """
