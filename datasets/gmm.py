"""Draws from the Gaussian mixtures, and the exact benchmarks on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import Benchmark, ConfigError, Dataset, Rng, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

GMM = Benchmark(
    name="gmm",
    version=1,
    prior="gmm",
    summary="exact tier: Gaussian-mixture prior over 16x16 colour patches, known posterior",
    n=64,
    tasks={
        "denoise": {"noise": "gaussian 0.2 [-1,1]"},
        "sr4": {"factor": 4},
        "sr4_bicubic": {"factor": 4},
        "inpaint": {"box": 8},
        "inpaint_anywhere": {"box": 8},
        "inpaint_random": {"missing": 0.5},
        "inpaint_strokes": {"strokes": 2, "width": 3},
        "colorize": {},
        "deblur": {"std": 1.5, "taps": 31},
        "deblur_ddrm_tiled": {"std": 1.5, "taps": 31},
        "deblur_uniform": {"taps": 5},
        "deblur_aniso": {"std_rows": 0.5, "std_cols": 4.0, "taps": 9},
        "deblur_motion": {"length": 5.0},
        "cs4": {"ratio": 4},
        "phase_retrieval": {"oversample": 2.0},
        "hdr": {"gain": 4.0},  # patches are pale: half of the values are cut off, an eighth at 2
    },
    main_tasks=("denoise", "sr4", "inpaint", "deblur", "colorize"),
    references=("pinv", "oracle"),
    floor="oracle",
    training={"name": "gmm", "split": "train", "size": 1_000_000},
)
GMM2D = Benchmark(
    name="gmm2d",
    version=1,
    prior="gmm2d",
    summary="exact tier: Gaussian mixture in the plane, to plot",
    n=64,
    tasks={"denoise": {"noise": "gaussian 0.2 [-1,1]"}, "inpaint_random": {"missing": 0.5}},
    main_tasks=("denoise", "inpaint_random"),
    references=("pinv", "oracle"),
    floor="oracle",
    training={"name": "gmm2d", "split": "train", "size": 1_000_000},
)


@dataclass(frozen=True)
class GmmImages(Dataset):
    """``size`` draws from the patch mixture, the same whatever the size. The splits ``tune`` and
    ``train`` are other draws."""

    name: ClassVar[str] = "gmm"
    summary: ClassVar[str] = "draws from the patch mixture"
    benchmark: ClassVar[Benchmark] = GMM
    size: int = 1000
    split: str = "test"

    def __post_init__(self) -> None:
        _check(self.size, self.split)

    @property
    def x_shape(self) -> Shape:
        return (3, 16, 16)

    def ids(self) -> Sequence[str]:
        return _ids(self.size, self.split)

    def load(self, image_id: str) -> Tensor:
        return _patches().sample(Rng.single(dataset=self.name, image=image_id))[0].float().reshape(self.x_shape)


@dataclass(frozen=True)
class PlanePoints(Dataset):
    """``size`` draws from the planar mixture, as images of two pixels. The splits ``tune`` and
    ``train`` are other draws."""

    name: ClassVar[str] = "gmm2d"
    summary: ClassVar[str] = "draws from the planar mixture"
    benchmark: ClassVar[Benchmark] = GMM2D
    size: int = 1000
    split: str = "test"

    def __post_init__(self) -> None:
        _check(self.size, self.split)

    @property
    def x_shape(self) -> Shape:
        return (1, 1, 2)

    def ids(self) -> Sequence[str]:
        return _ids(self.size, self.split)

    def load(self, image_id: str) -> Tensor:
        return _plane().sample(Rng.single(dataset=self.name, image=image_id))[0].float().reshape(self.x_shape)


@cache
def _patches() -> Any:
    return ib.patch_mixture()  # 52 MB, not for every image anew


@cache
def _plane() -> Any:
    return ib.planar_mixture()


def _check(size: int, split: str) -> None:
    if size < 1:
        raise ConfigError(f"a dataset needs at least one draw; got size={size}")
    if split not in ("test", "tune", "train"):
        raise ConfigError(f"split must be 'test', 'tune' or 'train'; got {split!r}")


@dataclass(frozen=True)
class _Ids(Sequence[str]):
    """The ids of a million draws, each made when it is asked for."""

    prefix: str
    size: int

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        position = range(self.size)[index]
        return [self[i] for i in position] if isinstance(position, range) else f"{self.prefix}{position:05d}"


def _ids(size: int, split: str) -> Sequence[str]:
    return _Ids("" if split == "test" else f"{split}-", size)


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [GmmImages, PlanePoints]
