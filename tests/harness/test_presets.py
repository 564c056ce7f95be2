"""A preset's image size reaches other datasets, and parts that do not fit are refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Result
from PIL import Image

from invbench.cli.train_images import training_images
from invbench.cli.train_request import Request
from invbench.errors import ConfigError
from invbench.plugins import load_catalog


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(2):
        Image.new("RGB", (300, 280), (40 * i, 90, 160)).save(folder / f"{i}.png")
    return folder


def side_shown(result: Result) -> int:
    assert result.returncode == 0, result.stderr
    return int(next(line for line in result.stdout.splitlines() if line.strip().startswith("side:")).split()[1])


@pytest.mark.parametrize(
    ("preset", "written", "side"),
    [
        ("ffhq256", [], 256),
        ("imagenet256", [], 256),
        ("photos", [], 64),
        ("gmm", [], 16),
        ("gmm2d", [], 64),  # whose images are not square
        ("ffhq256", ["dataset.side=128"], 128),
    ],
)
def test_a_preset_hands_its_size_to_a_folder(
    invbench: Callable[..., Result], preset: str, written: list[str], side: int
) -> None:
    words = ["solver=pinv", "task=denoise", f"benchmark={preset}", "dataset=folder", "dataset.root=x", *written]
    assert side_shown(invbench("run", *words, "--cfg", "job")) == side


def test_every_preset_of_a_sweep_hands_on_its_own(invbench: Callable[..., Result]) -> None:
    words = ["solver=pinv", "task=denoise", "benchmark=photos,ffhq256", "dataset=folder", "dataset.root=x"]
    shown = invbench("run", *words, "--cfg", "job").stdout
    assert [line.split()[1] for line in shown.splitlines() if line.strip().startswith("side:")] == ["64", "256"]


def test_a_run_with_a_preset_of_256_solves_images_of_256(
    invbench: Callable[..., Result], photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["solver=pinv", "task=sr4", "benchmark=ffhq256", "prior=adm_photos", "references=false", "n=1"]
    result = invbench("run", *words, "dataset=folder", f"dataset.root={photographs}", f"out={out}", "device=cpu")
    assert result.returncode == 0, result.stderr
    from invbench.store.reader import load_cells

    (cell,) = load_cells(out)
    assert cell.reconstructions(cell.images[0]).shape[1:] == (3, 256, 256)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["benchmark=gmm", "dataset=photos"], "prior gmm and dataset photos do not fit"),
        (["dataset=gmm2d"], "prior adm_photos and dataset gmm2d do not fit: .*3-channel.*got 1x1x2"),
        (
            ["dataset=folder", "dataset.root={root}", "dataset.side=66"],
            "prior adm_photos .*divisible by 4; got 3x66x66",
        ),
        (["dataset=folder", "dataset.root={root}", "dataset.side=52", "task.factor=8"], "factor"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_written(
    invbench: Callable[..., Result], photographs: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    import re

    out = tmp_path / "out"
    given = [word.format(root=photographs) for word in words]
    result = invbench("run", "solver=ddrm", "task=sr4", *given, f"out={out}")
    assert result.returncode != 0
    assert re.search(message, result.stderr), result.stderr
    assert not list(out.rglob("*.json*"))


@pytest.mark.parametrize(("preset", "side"), [("ffhq256", 256), ("photos", 64), ("gmm", 16)])
def test_a_training_takes_the_size_of_its_preset(photographs: Path, preset: str, side: int) -> None:
    catalog = load_catalog()
    words = ["prior=adm_photos", f"benchmark={preset}", "dataset=folder", f"dataset.root={photographs}"]
    images = training_images(Request.parse(words), catalog, catalog.benchmark(preset))
    assert images.x_shape == (3, side, side)
    words.append("dataset.side=32")
    assert training_images(Request.parse(words), catalog, catalog.benchmark(preset)).x_shape == (3, 32, 32)


@pytest.mark.parametrize("prior", ["adm_photos", "gmm", "adm_ffhq256"])
def test_a_prior_refuses_a_shape_without_its_weights(prior: str) -> None:
    source: Any = load_catalog().get("prior", prior)()
    with pytest.raises(ConfigError, match="got"):
        source.refuse((1, 7, 9))


def test_priors_take_what_they_are_for() -> None:
    catalog = load_catalog()
    for name, shape in {"adm_photos": (3, 64, 64), "gmm": (3, 16, 16), "gmm2d": (1, 1, 2)}.items():
        source = catalog.get("prior", name)()
        source.refuse(shape)
        with torch.inference_mode():
            assert source.load(shape, "cpu").eps(torch.zeros(1, *shape), 5).shape == (1, *shape)
