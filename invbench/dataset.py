"""Datasets: a fixed, ordered list of image ids and the images behind them; and benchmark presets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from invbench.operator import Shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Benchmark:
    """A preset: with it, ``task=sr4`` means the same thing for everyone. It lives on the dataset of its name.

    A change to what is measured raises ``version``. ``main_tasks`` are the tasks of the headline table;
    ``references`` are zero-cost solvers that are run beside every other solver. ``floor`` names the reference, if there
    is one, whose samples are exact: it draws as many as the solver, so its scores show the effect of chance alone.
    ``training`` is the dataset to train on: its name, and its options by name.
    """

    name: str
    version: int
    prior: str
    summary: str
    n: int
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    main_tasks: tuple[str, ...] = ()
    references: tuple[str, ...] = ("pinv", "bicubic")
    floor: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Windows:
    """Images cut from fewer, larger ones: a training decodes each large image once and cuts it on its own device.

    - ``sizes``: int (n, 2), height and width of the larger images
    - ``pixels``: index of a larger image -> its pixels, uint8 (H, W, C)
    - ``places``: positions in ``ids()``, int64 (B,) -> int64 (4, B): the larger image, top and left of the cut, and
      whether the image is mirrored
    """

    sizes: Any
    pixels: Callable[[int], Any]
    places: Callable[[Tensor], Tensor]


class Dataset(ABC):
    """Images in [-1, 1]. Subclasses are frozen dataclasses: their fields are its options.

    ``places`` names the options that only say where files are: they are not part of a cell's identity.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    benchmark: ClassVar[Benchmark | None] = None
    places: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def x_shape(self) -> Shape:
        """(C, H, W) of every image."""

    @abstractmethod
    def ids(self) -> Sequence[str]:
        """Image ids in the fixed order of the benchmark. Raises DataError if the data are absent."""

    @abstractmethod
    def load(self, image_id: str) -> Tensor:
        """(C, H, W) float32 in [-1, 1]. Raises DataError for an image that is absent, damaged or altered."""

    def group(self, image_id: str) -> str:
        """The group of an image, such as the photograph it is cut from: intervals and tests resample groups."""
        return image_id

    def windows(self) -> Windows | None:
        """How the images are cut from larger ones, for trainings; None if each image is its own file."""
        return None

    def fingerprint(self) -> str:
        """Identifies this list of images, without reading them, if the files are the user's.

        A short SHA-256 of the ordered ids and sizes of files; "" if the images are fixed by the dataset's name
        and options. Raises DataError if the files are absent.
        """
        return ""

    def check(self, images: Sequence[str]) -> None:  # noqa: B027 (most datasets have nothing to check)
        """Raise DataError that lists every one of these images that cannot be read. Called before any is solved."""
