"""Images cut from one photograph are not independent, but photographs are.

A cluster consists of the images of one group (``Dataset.group``). Intervals and tests use clusters: they take one value
per cluster, and the mean of these values is the mean over images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Groups = Mapping[str, str]  # the group of each image; one that is not named is a group of its own


def by_cluster(values: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """A value per cluster of values per image, (n,) or (n, k), whose mean over clusters is the mean over images.

    If all clusters have the same size, it is the mean of the cluster. Otherwise it is the overall mean plus the sum of
    the cluster's deviations from it divided by the mean cluster size, the influence of a cluster on the mean; their
    variance is then that of a ratio of sums (Cochran, 1977, section 9A). Infinite values remain in a cluster's mean.

    >>> by_cluster(np.array([1.0, 3.0, 7.0, 9.0]), ["a", "a", "b", "b"])
    array([2., 8.])
    """
    codes, names = pd.factorize(np.asarray(groups, dtype=object))
    if len(names) == len(values):
        return values
    sizes = np.bincount(codes)
    columns = values.reshape(len(values), -1).T
    if np.ptp(sizes) == 0 or not np.isfinite(values).all():
        of = [np.bincount(codes, column) / sizes for column in columns]
    else:
        of = [column.mean() + np.bincount(codes, column - column.mean()) / sizes.mean() for column in columns]
    return np.stack(of, axis=-1).reshape(len(names), *values.shape[1:])


def clustered(values: pd.Series, groups: Groups) -> NDArray[np.float64]:
    """The values by image, without nan, as one value per cluster."""
    good = values.dropna()
    return by_cluster(good.to_numpy(dtype=float), labels(good.index, groups))


def labels(images: Iterable[str], groups: Groups) -> list[str]:
    """The group of each image."""
    return [groups.get(image, image) for image in images]
