"""Whether two measurements are the same: bit for bit, or up to last bits that differ between processors.

A fingerprint is the norm of an array and a few sums of its entries with fixed random signs, in float64. If two arrays
differ by d, their sums differ by about the norm of d, so fingerprints that agree to 1e-5 of the norm belong to the same
measurement, computed by other kernels.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

SUMS = 8  # number of sums with random signs
TOLERANCE = 1e-5  # relative to the norm; kernels of two processors differ by some 1e-7 of it, two draws of noise by 1
Numbers = tuple[float, ...]


class Fingerprint(msgspec.Struct, frozen=True):
    """A norm and ``SUMS`` sums for the image that was measured, and for its measurement."""

    x: Numbers
    y: Numbers

    def agrees(self, other: Fingerprint) -> bool:
        """Whether both belong to the same measurement of the same image, up to last bits."""
        return _agree(self.x, other.x) and _agree(self.y, other.y)


class Measured(msgspec.Struct, frozen=True):
    """The record of a measurement: SHA-256 of the bytes of y, and its fingerprint (None in old records)."""

    sha256: str
    fingerprint: Fingerprint | None = None

    def same(self, other: Measured) -> bool:
        """Whether both are the same measurement up to last bits. Without fingerprints, only equal bytes count."""
        if self.sha256 == other.sha256:
            return True
        return bool(self.fingerprint and other.fingerprint and self.fingerprint.agrees(other.fingerprint))


def fingerprint(x: NDArray[np.generic], y: NDArray[np.generic]) -> Fingerprint:
    """The fingerprint of one image and its measurement, real or complex, of any shapes."""
    return Fingerprint(numbers(x), numbers(y))


def numbers(values: NDArray[np.generic]) -> Numbers:
    """The norm of an array, then its sums with random signs; nine digits each.

    >>> numbers(np.array([3.0, 4.0]))[0]
    5.0
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    real = (flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat).astype(np.float64)
    sums = _signs(len(real)) @ real
    return tuple(float(f"{value:.9g}") for value in (np.linalg.norm(real), *sums))


@lru_cache(maxsize=8)
def _signs(n: int) -> NDArray[np.float64]:
    """(SUMS, n) of -1 and 1, from a hash: the same on every machine."""
    data = hashlib.shake_128(f"invbench fingerprint of {n} numbers".encode()).digest(-(-SUMS * n // 8))
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[: SUMS * n]
    return bits.reshape(SUMS, n).astype(np.float64) * 2 - 1


def _agree(a: Numbers, b: Numbers) -> bool:
    if len(a) != len(b) or not a:
        return False
    return float(np.abs(np.subtract(a, b)).max()) <= TOLERANCE * max(a[0], b[0])
