"""Tasks: their noise is checked when they are made, and their files are part of what identifies them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import invbench as ib


@dataclass(frozen=True)
class Filed(ib.Task):
    """Has two options that are files."""

    name: ClassVar[str] = "filed"
    places: ClassVar[tuple[str, ...]] = ("kernel", "mask")
    kernel: str = ""
    mask: str = ""

    def operator(self, x_shape: ib.Shape, rng: ib.Rng) -> ib.Operator:
        return ib.Identity(x_shape)


def test_noise_without_a_unit_is_refused_when_the_task_is_made() -> None:
    assert Filed(noise="gaussian 0.1 [0,1]").noise_model.sigma_y == pytest.approx(0.2)
    with pytest.raises(ib.ConfigError, match="has no unit"):
        Filed(noise="gaussian 0.1")


def test_files_are_identified_by_their_content_and_not_by_their_names(tmp_path: Path) -> None:
    for name, content in {"a": b"1", "b": b"1", "c": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert Filed().fingerprint() == ""
    assert Filed(kernel=a).fingerprint() == Filed(kernel=b).fingerprint() == hashlib.sha256(b"1").hexdigest()
    assert Filed(kernel=a, mask=c).fingerprint() == hashlib.sha256(b"12").hexdigest()
    with pytest.raises(ib.DataError, match="nowhere"):
        Filed(mask=str(tmp_path / "nowhere")).fingerprint()
