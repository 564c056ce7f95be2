"""One measurement is known again whatever processor made it, and another is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invbench.store.fingerprint import SUMS, Fingerprint, Measured, fingerprint, numbers

DRAW = np.random.default_rng(0)
Y = DRAW.normal(size=(3, 16, 16)).astype(np.float32)
X = DRAW.uniform(-1, 1, size=(3, 64, 64)).astype(np.float32)


def measured(y: np.ndarray, sha256: str, x: np.ndarray = X) -> Measured:
    return Measured(sha256, fingerprint(x, y))


def test_numbers_are_a_norm_and_signed_sums() -> None:
    fingerprint = numbers(Y)
    assert len(fingerprint) == 1 + SUMS
    assert fingerprint[0] == pytest.approx(np.linalg.norm(Y.astype(np.float64)), rel=1e-8)
    parity = Y.astype(np.float64).sum()
    largest = np.abs(Y.astype(np.float64)).sum()
    assert all(abs(each) < largest for each in fingerprint[1:])
    assert len({*fingerprint[1:]}) == SUMS, "the sums have different signs"
    assert all(each != pytest.approx(parity) for each in fingerprint[1:])


def test_the_signs_are_fixed_for_ever() -> None:
    """Records hold these numbers: another version must come to the same."""
    assert numbers(np.arange(1.0, 9.0)) == (14.2828569, -6.0, -2.0, -4.0, 4.0, 22.0, 16.0, -16.0, -8.0)


@given(st.integers(0, 2**32 - 1))
def test_last_bits_do_not_matter(seed: int) -> None:
    moved = Y * (1 + 1e-6 * np.random.default_rng(seed).uniform(-1, 1, Y.shape).astype(np.float32))
    assert measured(Y, "a").same(measured(moved, "b"))


@pytest.mark.parametrize("by", [1e-3, 0.05, 1.0])
def test_other_noise_is_another_measurement(by: float) -> None:
    other = Y + by * DRAW.normal(size=Y.shape)
    assert not measured(Y, "a").same(measured(other, "b"))


def test_one_changed_number_is_another_measurement() -> None:
    other = Y.copy()
    other.flat[100] += 1.0
    assert not measured(Y, "a").same(measured(other, "b"))


def test_another_image_is_another_measurement() -> None:
    assert not measured(Y, "a").same(measured(Y, "b", x=-X))


def test_complex_numbers_count_with_both_parts() -> None:
    z = Y + 1j * Y[::-1]
    assert numbers(z)[0] == pytest.approx(np.linalg.norm(z), rel=1e-6)
    assert not measured(z, "a").same(measured(z.conj(), "b"))
    assert measured(z, "a").same(measured(z.astype(np.complex128), "b"))


def test_old_records_are_the_same_only_in_equal_bytes() -> None:
    assert Measured("a").same(measured(Y, "a"))
    assert not Measured("a").same(measured(Y, "b"))
    assert not Measured("a").same(Measured("b"))


def test_a_measurement_of_zeros_is_itself_alone() -> None:
    zeros = measured(np.zeros_like(Y), "a")
    assert zeros.same(measured(np.zeros_like(Y), "b"))
    assert not zeros.same(measured(Y, "b"))


def test_fingerprints_of_other_lengths_do_not_agree() -> None:
    assert not Fingerprint((1.0, 0.0), (1.0, 0.0)).agrees(Fingerprint((1.0,), (1.0,)))
    assert not Fingerprint((), ()).agrees(Fingerprint((), ()))
