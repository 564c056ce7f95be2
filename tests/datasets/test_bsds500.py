"""Crops of photographs to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from making import CATALOG, make
from PIL import Image

Photos = CATALOG.get("dataset", "photos")


def photos_module() -> Any:
    import invbench_datasets.photos

    return invbench_datasets.photos


def crops(split: str) -> list[Any]:
    return [photos_module()._crops()[image] for image in Photos(split).ids()]


def test_crops_of_a_photograph_stored_sideways_are_of_it_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], 80, 1).repeat(3, 2)  # brighter downwards
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    crops = make("bsds500", root=str(tmp_path), side=64, factors="1").ids()
    assert len(crops) == 2 * (120 - 64 + 1) * (80 - 64 + 1)
    x = make("bsds500", root=str(tmp_path), side=64, factors="1").load(crops[-1])
    assert torch.allclose(((x + 1) * 127.5)[0, :, 0], torch.arange(112.0, 240.0, 2), atol=0.01)
