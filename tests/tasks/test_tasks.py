"""Every task's operator: the laws, presets, keys, and options that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from operating import CATALOG, OBLONG, SHAPE, draw, operator

from invbench import ConfigError, Rng, Shape, SVDOperator
from invbench.testing import check_operator

TASKS = sorted(CATALOG.benchmark("photos").tasks)  # others take an operator of the user's


@pytest.mark.parametrize(("preset", "x_shape"), [("gmm", SHAPE), ("photos", (3, 64, 64)), ("gmm", OBLONG)])
@pytest.mark.parametrize("task", TASKS)
def test_operators_obey_the_laws(task: str, preset: str, x_shape: Shape) -> None:
    tolerance = 1e-5 if task == "deblur_ddrm_tiled" else 1e-9  # that one has float32 factors by definition
    A = operator(task, x_shape, preset)
    check_operator(A, tolerance)
    assert isinstance(A, SVDOperator) == (task not in ("hdr", "phase_retrieval"))


@pytest.mark.parametrize("task", ["denoise", "inpaint_random"])
def test_plane_points_can_be_measured(task: str) -> None:
    check_operator(operator(task, (1, 1, 2), "gmm2d"))


@pytest.mark.parametrize("preset", sorted(CATALOG.benchmarks))
def test_presets_name_installed_tasks_and_options(preset: str) -> None:
    benchmark = CATALOG.benchmark(preset)
    for task, options in benchmark.tasks.items():
        CATALOG.get("task", task)(**options)
    assert set(benchmark.main_tasks) <= set(benchmark.tasks)


@pytest.mark.parametrize("task", ["inpaint_random", "inpaint_strokes", "cs4"])
def test_random_operators_depend_on_the_key_alone(task: str) -> None:
    make = CATALOG.get("task", task)(**CATALOG.benchmark("gmm").tasks[task])
    first, again, other = (make.operator(SHAPE, Rng.single(seed=s))(draw(SHAPE)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("task", "options", "x_shape", "message"),
    [
        ("inpaint", {"box": 16}, SHAPE, "box must be smaller than the image; got box=16 on 16x16"),
        ("inpaint", {"box": 20}, OBLONG, "got box=20 on 16x32"),
        ("inpaint", {"box": 0}, SHAPE, "got box=0"),
        ("inpaint_strokes", {"strokes": 0}, SHAPE, r"strokes and width must be at least 1; got 0, 24"),
        ("inpaint_strokes", {"width": 99}, SHAPE, r"8 strokes 99 wide leave no pixel; take fewer"),
        ("inpaint_random", {"missing": 0.0}, SHAPE, r"must leave some pixels and take some; got 0\.0"),
        ("inpaint_random", {"missing": 1.0}, SHAPE, r"must leave some pixels and take some; got 1\.0"),
        ("inpaint_random", {"missing": -0.5}, SHAPE, r"must leave some pixels and take some; got -0\.5"),
        ("sr4", {"factor": 5}, SHAPE, "divisible by the factor 5; got 16x16"),
        ("sr4_bicubic", {"factor": 3}, OBLONG, "divisible by factor=3; got 16x32"),
        ("sr4_bicubic", {"factor": 0}, SHAPE, "divisible by factor=0"),
        ("cs4", {}, (3, 12, 16), "power of two of pixels; got 12x16 = 192"),
        ("cs4", {"ratio": 0}, SHAPE, "ratio must be between 1 and the number of pixels 256; got 0"),
        ("cs4", {"ratio": 257}, SHAPE, "got 257"),
        ("colorize", {}, (1, 16, 16), "one weight per channel: expected 1, got 3"),
        ("deblur", {"std": 0.0}, SHAPE, "std > 0 and an odd number of taps; got std=0.0"),
        ("deblur", {"taps": 60}, SHAPE, "an odd number of taps; got std=3.0, taps=60"),
        ("deblur_aniso", {"std_cols": -1.0}, SHAPE, r"std > 0.*got std=-1\.0"),
        ("deblur_uniform", {"taps": 0}, SHAPE, "taps"),
        ("deblur_uniform", {"taps": 4}, SHAPE, "taps"),
        ("deblur_motion", {"boundary": "zero"}, SHAPE, "boundary must be one of circular, reflect; got 'zero'"),
        ("deblur_motion", {"length": 0.5}, SHAPE, r"length must be at least 1 pixel; got 0\.5"),
        ("deblur_motion", {"length": 40.0}, SHAPE, "kernel 41x41 is larger than the image 16x16"),
        ("deblur_motion", {"length": 40.0, "boundary": "reflect"}, SHAPE, "got 41x41 on 16x16"),
    ],
)
def test_parameters_that_do_not_fit_the_image_are_refused(
    task: str, options: dict[str, Any], x_shape: Shape, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        operator(task, x_shape, **options)
