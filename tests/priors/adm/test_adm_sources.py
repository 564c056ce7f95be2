"""Where ADM priors come from: what they take, and what is their fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from invbench import ConfigError
from invbench.priors.adm.sources import AdmPhotos


@pytest.mark.parametrize(
    ("source", "x_shape", "message"),
    [
        (AdmPhotos(), (3, 64, 62), "sides divisible by 4; got 3x64x62"),
        (AdmPhotos(), (1, 64, 64), "takes 3-channel images"),
        (
            AdmPhotos(dtype="float8"),
            (3, 64, 64),
            "dtype of the network must be one of float32, tf32, bfloat16, float16; got 'float8'",
        ),
        (AdmPhotos(dtype="float64"), (3, 64, 64), "got 'float64'"),
    ],
)
def test_what_the_network_cannot_take_is_refused(source: AdmPhotos, x_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source.load(x_shape, "cpu")


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(b"weights")
    assert AdmPhotos(weights=str(path)).fingerprint() == hashlib.sha256(b"weights").hexdigest()
