"""Reports of cells and trainings to the trackers of a command. Errors of trackers do not affect the work."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from invbench.analysis.rows import by_column
from invbench.guard import contained, described, reason_of
from invbench.harness.outcome import Outcome
from invbench.plugins import Catalog
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell, load_cell
from invbench.store.schema import Run
from invbench.tracker import Tracker

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

SHOWN = 4  # reconstructions in a picture


class Trackers:
    """The trackers of a command. If one fails, a warning is given and it is not called again."""

    def __init__(self, trackers: Iterable[Tracker] = ()) -> None:
        self._trackers = {tracker.name: tracker for tracker in trackers}

    @classmethod
    def of(cls, names: str, catalog: Catalog) -> Trackers:
        """The trackers that ``track`` names: ``wandb``, ``wandb,mlflow``, or a list in brackets.

        Raises PluginError for an unknown name, and ConfigError where its library is absent.
        """
        trackers = []
        for name in dict.fromkeys(filter(None, (each.strip() for each in names.strip("[] ").split(",")))):
            tracker = catalog.get("tracker", name)
            with described(f"tracker {name}"):
                trackers.append(tracker())
        return cls(trackers)

    def __bool__(self) -> bool:
        return bool(self._trackers)

    def tell(self, call: Callable[[Tracker], None]) -> None:
        """Call each tracker, in the order of their names in ``track``."""
        for name, tracker in [*self._trackers.items()]:
            try:
                with contained(f"tracker {name}"):
                    call(tracker)
            except Exception as error:  # third-party code may raise anything
                del self._trackers[name]
                warnings.warn(
                    f"tracker {name} failed and is left out from here on: {reason_of(error).rstrip('.')}. Nothing else "
                    "is lost; the same command exports what is recorded, too",
                    stacklevel=2,
                )

    @contextmanager
    def following(self, kind: str, name: str) -> Iterator[Followed]:
        """Report the cell or training that the body runs, and an error that ends it."""
        followed = Followed(self, kind, name)
        try:
            yield followed
        except BaseException as error:
            followed.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise


class Followed:
    """A cell or a training that trackers follow, from ``begin`` to ``end``, once each."""

    def __init__(self, trackers: Trackers, kind: str, name: str) -> None:
        self._trackers, self._kind, self._name = trackers, kind, name
        self._run: Run | None = None
        self._open = False

    def begin(self, key: str, config: Mapping[str, Any]) -> None:
        """Report the beginning, with the values that determine the result; they may be nested."""
        if not self._open:
            self._open, plain = True, flat(config)
            self._trackers.tell(lambda tracker: tracker.begin(self._kind, self._name, key, {**plain}))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Report figures after a step."""
        self._trackers.tell(lambda tracker: tracker.log(step, {**values}))

    def end(self, status: str, values: Mapping[str, float] | None = None, picture: Image | None = None) -> None:
        """Report the end, unless the beginning was not reported."""
        if self._open:
            self._open = False
            self._trackers.tell(lambda tracker: tracker.end(status, {**(values or {})}, picture))

    def hear(self, kind: str, content: Any) -> None:
        """Handle an event of a cell. It begins at its first progress: then no other process is running it."""
        if kind == "begin":
            _, self._run = content
        elif kind == "progress" and self._run:
            self.begin(self._run.cell, self._run.config.plain())

    def recorded(self, outcome: Outcome) -> None:
        """Report the recorded results of a cell, and first its beginning if that was not reported, as for shards."""
        if not self._trackers:
            return
        try:
            cell = load_cell(outcome.folder)
            self.begin(cell.id, cell.run.config.plain())
            self.end(outcome.status, means(cell), picture(cell))
        except Exception as error:  # of whatever file: the cell is recorded
            warnings.warn(f"{self._name} is not exported: {reason_of(error)}", stacklevel=2)
            self.end(outcome.status)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options, flat, by their names on the command line.

    >>> flat({"seed": 0, "solver": {"name": "ddrm", "nfe": 20}})
    {'seed': 0, 'solver.name': 'ddrm', 'solver.nfe': 20}
    """
    options: dict[str, Any] = {}
    for key, value in config.items():
        options |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return options


def means(cell: LoadedCell) -> dict[str, float]:
    """Means over images and scores of sets by metric; with several samples also of their mean, as ``psnr_of_mean``.

    A metric that is recorded in several protocols is left out.
    """
    together = cell.frame["sample"] == MEAN
    single = {score.metric: score.value for score in cell.sets} | _means(cell.frame[~together])
    of_all = _means(cell.frame[together])
    return single | {f"{name}_of_mean" if name in single else name: mean for name, mean in of_all.items()}


def _means(records: pd.DataFrame) -> dict[str, float]:
    columns = by_column(records)
    protocols = Counter(column.metric for column in columns)
    return {c.metric: float(values.mean()) for c, values in columns.items() if protocols[c.metric] == 1}


def picture(cell: LoadedCell) -> Image | None:
    """The first reconstructions side by side; None if there are none, or if they are not pictures."""
    here = [image for image in cell.images if cell.image_path(image)][:SHOWN]
    rows = [cell.reconstructions(image)[0] for image in here]
    if not rows or rows[0].shape[0] not in (1, 3) or min(rows[0].shape[1:]) <= 4:
        return None
    import torch

    from invbench.image_files import to_image

    return to_image(torch.cat(rows, dim=2))
