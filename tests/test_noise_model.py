"""Noise of pixel values is refused on measurements that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import invbench as ib
from invbench import ConfigError, PoissonNoise, Rng, parse_noise
from invbench.harness.bank import MeasurementBank
from invbench.metrics.consistency import Consistency
from invbench.plugins import load_catalog

TASKS = sorted(load_catalog().plugins["task"])
NO_PIXELS = {"cs4", "phase_retrieval"}


@pytest.mark.parametrize("x_shape", [(3, 64, 64), (3, 16, 16), (1, 32, 16)], ids=str)
@pytest.mark.parametrize("name", TASKS)
def test_poisson_noise_is_of_pixel_values_and_refused_by_name_elsewhere(name: str, x_shape: ib.Shape) -> None:
    options = {"inpaint": {"box": 8}, "inpaint_anywhere": {"box": 8}}.get(name, {})
    try:
        A = load_catalog().get("task", name)(**options).operator(x_shape, Rng.single(use="operator"))
    except ConfigError:
        pytest.skip("task and shape do not fit")
    noise = PoissonNoise(1.0)
    if name not in NO_PIXELS:
        noise.refuse(A, name)
        return
    with pytest.raises(ConfigError, match=f"task {name}: Poisson noise is of pixel values .* choose Gaussian noise"):
        noise.refuse(A, name)
    for text in ("gaussian 0.05 [-1,1]", "uniform 0.01..0.1 [-1,1]"):
        parse_noise(text).refuse(A, name)


class Scaled(ib.LinearOperator):
    """A plugin's operator, which declares nothing."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.x_shape = self.y_shape = (3, 16, 16)
        self.change = change

    def _A(self, x: Tensor) -> Tensor:
        return self.change(x)


@pytest.mark.parametrize(
    ("change", "pixels"),
    [
        (lambda x: x, True),
        (lambda x: x.flip(-1), True),
        (lambda x: 0.1 * x, True),
        (lambda x: 1.5 * x, False),  # white is cut off
        (lambda x: x - x.roll(1, -1), False),  # edges
        (lambda x: x.cumsum(-1), False),  # a projection's sums
        (lambda x: torch.fft.fft2(x, norm="ortho"), False),
        (lambda x: x * torch.nan, False),
    ],
)
def test_poisson_noise_on_a_plugins_operator_is_judged_by_what_it_measures(
    change: Callable[[Tensor], Tensor], pixels: bool
) -> None:
    A = Scaled(change)
    if pixels:
        PoissonNoise(1.0).refuse(A, "own")
        return
    with pytest.raises(ConfigError, match="which the measurements of Scaled are not"):
        PoissonNoise(1.0).refuse(A, "own")


def test_the_truth_explains_poisson_measurements_of_every_task_that_takes_them() -> None:
    catalog = load_catalog()
    preset, data = catalog.benchmark("photos"), catalog.get("dataset", "photos")()
    for name in sorted(set(preset.tasks) - NO_PIXELS):
        task = catalog.get("task", name)(**{**preset.tasks[name], "noise": "poisson 1.0"})
        measured = MeasurementBank.open(preset, data, task, 0).measure(list(data.ids())[:2])
        near = 0.5 if name == "hdr" else 0.05  # a third of its pixels are black or white, where the noise is cut off
        assert Consistency()(measured.x, measured).tolist() == pytest.approx([1, 1], abs=near), name
