"""Datasets by their names, and pictures for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from invbench.dataset import Dataset
from invbench.plugins import load_catalog

CATALOG = load_catalog()
PAPER = ["ffhq256", "imagenet256", "celebahq256", "gopro256", "bsds500"]


def make(name: str, **fields: Any) -> Dataset:
    dataset: Dataset = CATALOG.get("dataset", name)(**fields)
    return dataset


def picture(path: Path, side: int = 8, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(path)
    return path
