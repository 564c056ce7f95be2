"""The measurement bank: the same bytes for everyone, whatever is asked for together."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch

import invbench as ib
from invbench.harness.bank import MeasurementBank
from invbench.linops import Selection
from invbench.plugins import load_catalog

CATALOG = load_catalog()
# First entries of y, photos v2, sr4, seed 0. Others mean that measurements have changed: raise the preset's version.
# The last bits of a float sum may differ between processors; within one machine the SHA-256 in the records compares.
GOLDEN = {
    "kodim01_064_320": [-0.05712, -0.02241, -0.08058, -0.05654],
    "kodim02_128_320": [0.25362, 0.18949, 0.21405, 0.19226],
}


def bank_of(benchmark: str = "gmm", task: str = "denoise", seed: int = 0, **fields: Any) -> MeasurementBank:
    preset = CATALOG.benchmark(benchmark)
    task_instance = CATALOG.get("task", task)(**{**preset.tasks[task], **fields})
    return MeasurementBank.open(preset, CATALOG.get("dataset", benchmark)(), task_instance, seed)


def digests(bank: MeasurementBank, n: int = 4) -> tuple[str, ...]:
    return bank.measure(bank.dataset.ids()[:n]).sha256


@pytest.mark.parametrize("task", ["denoise", "sr4", "inpaint_random", "cs4"])
def test_a_measurement_does_not_depend_on_order_subset_or_batch(task: str) -> None:
    bank = bank_of(task=task)
    images = list(bank.dataset.ids()[:6])
    whole = bank.measure(images)
    for chosen in ([5, 4, 3, 2, 1, 0], [2], [4, 1]):
        part = bank.measure([images[i] for i in chosen])
        assert part.sha256 == tuple(whole.sha256[i] for i in chosen)
        assert torch.equal(part.y, whole.y[chosen])
        assert torch.equal(part.x, whole.x[chosen])


@pytest.mark.parametrize("noise", ["gaussian 0.1 [-1,1]", "uniform 0.01..0.1 [-1,1]", "poisson 1.0"])
def test_a_measurement_is_the_same_each_time(noise: str) -> None:
    first, second = (bank_of(noise=noise).measure(["00003", "00001"]) for _ in range(2))
    assert first.sha256 == second.sha256
    assert torch.equal(first.y, second.y)
    assert torch.equal(first.std, second.std)


def test_the_digest_is_that_of_the_bytes() -> None:
    measured = bank_of().measure(["00000", "00001"])
    assert measured.y.dtype == torch.float32
    for y, digest in zip(measured.y, measured.sha256, strict=True):
        assert hashlib.sha256(y.numpy().tobytes()).hexdigest() == digest


def test_different_images_have_different_noise() -> None:
    measured = bank_of().measure(["00000", "00001"])
    noise = measured.y - measured.x
    assert (noise[0] - noise[1]).abs().mean() > 0.1
    assert noise.std() == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"noise": "gaussian 0.1 [-1,1]"},
        {"noise": "gaussian 0.2 [0,1]"},
        {"noise": "poisson 1.0"},
        {"task": "deblur"},
        {"task": "sr4"},
    ],
)
def test_seed_task_and_noise_level_change_every_measurement(other: dict[str, Any]) -> None:
    assert set(digests(bank_of())).isdisjoint(digests(bank_of(**other)))


def test_one_level_in_two_units_is_one_measurement() -> None:
    assert digests(bank_of(noise="gaussian 0.2 [-1,1]")) == digests(bank_of(noise="gaussian 0.1 [0,1]"))


def test_tasks_do_not_share_their_noise() -> None:
    """Two operators of one shape: the noise itself differs, not only H x."""
    one, other = bank_of(task="deblur"), bank_of(task="deblur_uniform")
    noises = [bank.measure(["00000"]).y - bank.A(bank.dataset.load("00000")[None]) for bank in (one, other)]
    assert (noises[0] - noises[1]).abs().max() > 0.05


def test_a_version_of_the_preset_has_its_own_measurements() -> None:
    bank = bank_of()
    newer = ib.Benchmark("gmm", bank.benchmark.version + 1, "gmm", "", 4)
    assert set(digests(bank)).isdisjoint(digests(MeasurementBank.open(newer, bank.dataset, bank.task, 0)))


def test_the_solver_changes_its_own_draws_and_not_the_measurement() -> None:
    bank = bank_of()
    before = digests(bank)
    draws = {
        (solver, sample): bank.rng(["00000"], solver, sample).randn((4,))
        for solver in ("ddrm", "other")
        for sample in (0, 1)
    }
    assert len({tuple(draw.flatten().tolist()) for draw in draws.values()}) == 4
    assert digests(bank) == before
    assert torch.equal(bank.rng(["00000"], "ddrm", 0).randn((4,)), draws["ddrm", 0])


def test_draws_of_a_solver_do_not_depend_on_the_batch() -> None:
    bank = bank_of()
    together = bank.rng(["00000", "00001"], "ddrm", 0).randn((5,))
    assert torch.equal(bank.rng(["00001"], "ddrm", 0).randn((5,))[0], together[1])


def test_draws_of_a_solver_are_not_the_noise() -> None:
    bank = bank_of()
    measured = bank.measure(["00000"])
    noise = (measured.y - measured.x) / measured.std
    draw = bank.rng(["00000"], "ddrm", 0).randn_like(measured.y)
    assert abs(float((noise * draw).mean())) < 0.15


def test_a_random_mask_is_one_for_all_images_and_changes_with_the_seed() -> None:
    def mask(seed: int) -> torch.Tensor:
        A = bank_of(task="inpaint_random", seed=seed).A
        assert isinstance(A, Selection)
        return A.T(torch.ones(1, *A.y_shape))[0, 0] > 0.5

    first = mask(0)
    assert int(first.sum()) == 128
    assert torch.equal(first, mask(0))
    assert not torch.equal(first, mask(1))
    measured = bank_of(task="inpaint_random", noise="gaussian 0 [-1,1]").measure(["00000", "00001"])
    for x, y in zip(measured.x, measured.y, strict=True):
        torch.testing.assert_close(y, x[:, first], rtol=0, atol=1e-6)


def test_the_measurements_of_the_embedded_tier_are_known() -> None:
    bank = bank_of("photos", "sr4")
    images = bank.dataset.ids()[:2]
    assert list(images) == list(GOLDEN)
    for y, expected in zip(bank.measure(images).y, GOLDEN.values(), strict=True):
        assert y.flatten()[:4].tolist() == pytest.approx(expected, abs=2e-5)


def test_an_operator_that_does_not_fit_is_refused_before_any_image_is_read() -> None:
    with pytest.raises(ib.ConfigError, match="the box must be smaller than the image; got box=16 on 16x16"):
        bank_of(task="inpaint", box=16)


@pytest.mark.parametrize("task", ["cs4", "phase_retrieval"])
def test_noise_that_does_not_fit_is_refused_before_any_image_is_read(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CATALOG.get("dataset", "gmm"), "load", lambda self, image: pytest.fail("it was read"))
    with pytest.raises(ib.ConfigError, match=f"task {task}: Poisson noise is of pixel values"):
        bank_of(task=task, noise="poisson 1.0")
