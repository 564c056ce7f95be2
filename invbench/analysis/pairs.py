"""Scores of two cells on the same images, and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invbench.analysis.clusters import by_cluster, labels
from invbench.analysis.comparable import label, sameness, shared_images
from invbench.analysis.stats import bca_interval, differences, mean_difference
from invbench.errors import ConfigError
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell


@dataclass(frozen=True)
class Pair:
    """One metric of two cells, on the images for which both have a value; values per image, means over samples.

    ``groups`` are those of the images; without them, each image is its own group. ``nan`` counts the other common
    images, and ``lost`` those of them for which the old cell has a value.
    """

    metric: str
    old: NDArray[np.float64]
    new: NDArray[np.float64]
    groups: tuple[str, ...] = ()
    nan: int = 0
    lost: int = 0

    @classmethod
    def of(cls, metric: str, old: NDArray[np.float64], new: NDArray[np.float64], groups: Sequence[str] = ()) -> Pair:
        """The pair of values that may be NaN."""
        without, good = np.isnan(old), ~(np.isnan(old) | np.isnan(new))
        of_good = tuple(group for group, keep in zip(groups, good, strict=False) if keep)
        return cls(metric, old[good], new[good], of_good, int((~good).sum()), int((np.isnan(new) & ~without).sum()))

    @property
    def n(self) -> str:
        """The number of images, how many groups they are, and how many images were left out."""
        clusters = f" ({len(set(self.groups))} groups)" if len(set(self.groups)) < len(self.groups) else ""
        return f"{len(self.old)}{clusters}" + (f" ({self.nan} nan)" if self.nan else "")

    @property
    def differences(self) -> NDArray[np.float64]:
        """New minus old, per image; 0 if both are equally infinite."""
        return differences(self.new, self.old)

    @property
    def clustered(self) -> NDArray[np.float64]:
        """Differences of clusters of images."""
        return by_cluster(self.differences, self.groups) if self.groups else self.differences

    @property
    def difference(self) -> float:
        """Mean of new minus old."""
        return mean_difference(self.differences)

    @property
    def ratio(self) -> float:
        """Median of the new values over that of the old ones."""
        old, new = float(np.median(self.old)), float(np.median(self.new))
        if new == old:
            return 1.0
        return new / old if old else float("inf")


def pairs(old: LoadedCell, new: LoadedCell, protocol: str = "", across_machines: bool | None = None) -> list[Pair]:
    """Metrics that both cells have in the same protocol, or only in the given one.

    Raises ConfigError if an image was measured differently; last bits may differ, as between processors. Old records
    have no fingerprints, so only equal bytes prove equal measurements; ``across_machines`` accepts others too. It is
    None if the user cannot choose.
    """
    check_alike(old, new, across_machines)
    return [*_pairs_of_images([old], [new], protocol), *_pairs_of_sets(old, new, protocol)]


def pooled_pairs(
    old: Sequence[LoadedCell], new: Sequence[LoadedCell], across_machines: bool | None = None
) -> list[Pair]:
    """Metrics of images that cells of several seeds have, averaged over the seeds before they are paired.

    ``old`` and ``new`` have a cell per seed, in the same order. Images are those that all cells have. Raises
    ConfigError as ``pairs`` does.
    """
    for before, after in zip(old, new, strict=True):
        check_alike(before, after, across_machines)
    return list(_pairs_of_images(old, new, ""))


def check_alike(old: LoadedCell, new: LoadedCell, across_machines: bool | None = None) -> None:
    """Raises ConfigError if an image of the two cells was measured differently, as ``pairs`` describes."""
    measurements = sameness([old, new])
    if measurements == "different" or (measurements == "unknown" and not across_machines):
        allowed = "" if across_machines is None else ", or add --across-machines"
        raise ConfigError(
            f"{name_of(new)}: the measurements differ; make both with the same benchmark version. Of records without "
            f"fingerprints only equal bytes are the same: make them on one machine{allowed}"
        )


def _pairs_of_images(old: Sequence[LoadedCell], new: Sequence[LoadedCell], protocol: str) -> Iterator[Pair]:
    """Pairs of scores of images, on the images that all cells have."""
    a, b = _of_seeds(old, protocol), _of_seeds(new, protocol)
    merged = a.merge(b, on=["metric", "protocol", "image"], suffixes=("_old", "_new"))
    groups = {image: group for cell in (*old, *new) for image, group in cell.groups.items()}
    for (metric, _), rows in merged.groupby(["metric", "protocol"], sort=False):
        before, after = (rows[name].to_numpy(float) for name in ("value_old", "value_new"))
        yield Pair.of(str(metric), before, after, labels(rows["image"], groups))


def _of_seeds(cells: Sequence[LoadedCell], protocol: str) -> pd.DataFrame:
    """Scores by metric, protocol and image, averaged over the cells, for the images that every cell has."""
    frames = [per_image(cell, protocol) for cell in cells]
    if len(frames) == 1:
        return frames[0]
    by_image = pd.concat(frames).groupby(["metric", "protocol", "image"], sort=False)["value"]
    means = by_image.sum(min_count=len(cells)) / len(cells)  # nan if any seed is
    return means[by_image.size() == len(cells)].reset_index()


def _pairs_of_sets(old: LoadedCell, new: LoadedCell, protocol: str) -> Iterator[Pair]:
    """Pairs of scores of sets, of the same images."""
    for metric in sorted({score.metric for score in new.sets}):
        images = shared_images([old, new], metric)
        before, after = (_scores_of_set(cell, images, metric) for cell in (old, new))
        for each in after:
            if each in before and protocol in ("", each):
                yield Pair.of(metric, np.array([before[each]]), np.array([after[each]]))


def _scores_of_set(cell: LoadedCell, images: list[str], metric: str) -> dict[str, float]:
    """The values of a metric, by protocol."""
    return {score.protocol: score.value for score in cell.set_scores(images) if score.metric == metric}


def per_image(cell: LoadedCell, protocol: str = "") -> pd.DataFrame:
    """Scores by metric, protocol and image (value).

    Means over samples; of scores of all samples together, the score.
    """
    records = cell.frame[cell.frame["protocol"] == protocol] if protocol else cell.frame
    of_mean = records["sample"] == MEAN
    single = records["metric"][~of_mean].unique()
    records = records[~of_mean | ~records["metric"].isin(single)]
    keys = ["metric", "protocol", "image"]
    means = records.groupby(keys, as_index=False, observed=True)["value"].mean()
    return means.assign(**{key: means[key].astype(object) for key in keys})


def in_words(pair: Pair, old: str, new: str) -> dict[str, str]:
    """A pair as cells of a table, by header; ``old`` and ``new`` are the headers of its means."""
    if not len(pair.old):
        return {"metric": pair.metric, "n": pair.n, old: "nan", new: "nan", "difference": "nan", "ratio": "nan"}
    low, high = bca_interval(pair.clustered)
    wide = low != high and len(pair.clustered) > 1
    interval = f" [{low:+.3g}, {high:+.3g}]" if wide else ""
    return {
        "metric": pair.metric,
        "n": pair.n,
        old: f"{pair.old.mean():.4g}",
        new: f"{pair.new.mean():.4g}",
        "difference": f"{pair.difference:+.3g}{interval}",
        "ratio": f"{pair.ratio:.3g}",
    }


def place_of(cell: LoadedCell) -> str:
    """What a cell measured, in short."""
    config = cell.run.config
    return f"{config.benchmark.name}/{config.task.name}, seed {config.seed}"


def name_of(cell: LoadedCell) -> str:
    """The same, and its solver."""
    return f"{place_of(cell)}, {label(cell, [cell])}"
