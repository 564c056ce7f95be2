"""The mixtures as named priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench import ConfigError, Prior, PriorSource, Shape, hookimpl

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PatchPrior(PriorSource):
    """Eleven Gaussians over 16 x 16 x 3 patches whose covariances look like image patches'."""

    name: ClassVar[str] = "gmm"
    summary: ClassVar[str] = "Gaussian mixture over 16x16 colour patches, closed form"

    def refuse(self, x_shape: Shape) -> None:
        from invbench.priors import mixtures

        _expect(self.name, x_shape, mixtures.PATCH_SHAPE)

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        from invbench.priors import mixtures
        from invbench.priors.gmm_prior import GmmPrior

        self.refuse(x_shape)
        return GmmPrior(mixtures.patch_mixture(), x_shape, device)

    def fingerprint(self) -> str:
        from invbench.priors import mixtures

        return mixtures.recipe_hash(mixtures.PATCHES, mixtures.COLOUR)


@dataclass(frozen=True)
class PlanePrior(PriorSource):
    """Three Gaussians in the plane."""

    name: ClassVar[str] = "gmm2d"
    summary: ClassVar[str] = "Gaussian mixture in the plane, closed form"

    def refuse(self, x_shape: Shape) -> None:
        from invbench.priors import mixtures

        _expect(self.name, x_shape, mixtures.PLANE_SHAPE)

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        from invbench.priors import mixtures
        from invbench.priors.gmm_prior import GmmPrior

        self.refuse(x_shape)
        return GmmPrior(mixtures.planar_mixture(), x_shape, device)

    def fingerprint(self) -> str:
        from invbench.priors import mixtures

        return mixtures.recipe_hash(mixtures.PLANE)


def _expect(name: str, x_shape: Shape, shape: Shape) -> None:
    if tuple(x_shape) != shape:
        raise ConfigError(f"prior {name!r} is defined for images of shape {shape}; got {tuple(x_shape)}")


@hookimpl
def invbench_register_priors() -> list[type[PriorSource]]:
    return [PatchPrior, PlanePrior]
