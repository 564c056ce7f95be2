"""Physics of the library deepinv as tasks: tomography, magnetic resonance, and whatever else it has."""

from __future__ import annotations

import hashlib
import inspect
import json
import warnings
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import ConfigError, DataError, Operator, Rng, Shape, Task, hookimpl, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class DeepinvPhysics(Task):
    """y = A x of a physics of deepinv, ``physics``: a name in deepinv.physics, or ``package.module:name`` of your own.

    A class is made, a function called, with ``arguments``, as ``{angles:60,normalize:true}``. Where they have
    parameters of these names, they are given ``img_size`` and ``x_shape``, (C, H, W) of the images, ``img_width``,
    ``rng``, and the contents of the files ``mask``, (H, W), and ``filter``, a kernel that is scaled to sum 1.

    Linear physics act on images in [-1, 1] as they are, others on images in [0, 1]; complex images are two channels
    (:func:`invbench.from_physics`). The noise is ``noise``, not the physics' own. The version of deepinv, and the file
    that defines a physics of your own, are part of a cell's identity.
    """

    name: ClassVar[str] = "deepinv"
    summary: ClassVar[str] = "a physics of deepinv: task.physics=Tomography task.arguments={angles:60}"
    places: ClassVar[tuple[str, ...]] = ("mask", "filter")
    physics: str = ""
    mask: str = ""
    filter: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        import torch

        label = f"task deepinv: {self.physics}"
        source, generator = self._source(), rng.generators[0]
        A, again = (
            ib.from_physics(self._drawn(source, x_shape, generator.clone_state(), label), x_shape, label)
            for _ in range(2)
        )
        x = torch.linspace(-1, 1, x_shape[-1]).expand(1, *x_shape)
        if not torch.equal(A(x), again(x)):
            raise ConfigError(f"{label} is another each time it is made; draw from torch's generator, or from rng")
        return A

    def fingerprint(self) -> str:
        """Of the version of deepinv, the files, and the one that defines a physics of the user's own."""
        try:
            made_by = [version("deepinv"), Task.fingerprint(self)]
        except PackageNotFoundError:
            raise DataError("task=deepinv needs the package: pip install 'invbench[deepinv]'") from None
        own = ib.source_of(self.physics, "task deepinv") if ":" in self.physics else ""
        return hashlib.sha256(json.dumps([*made_by, own]).encode()).hexdigest()

    def _source(self) -> Any:
        """The class, function or physics that is named."""
        if not self.physics:
            raise ConfigError("task=deepinv needs a physics: task.physics=Tomography, or package.module:name")
        if ":" in self.physics:
            return ib.imported(self.physics, "task deepinv")
        try:
            import deepinv.physics as known
        except ImportError:
            raise DataError("task=deepinv needs the package: pip install 'invbench[deepinv]'") from None
        physics = getattr(known, self.physics, None)
        if not (isinstance(physics, type) and issubclass(physics, known.Physics)):
            things = vars(known).items()
            names = [key for key, each in things if isinstance(each, type) and issubclass(each, known.Physics)]
            raise ConfigError(f"task deepinv: {unknown('physics', self.physics, names)}")
        return physics

    def _drawn(self, source: Any, x_shape: Shape, generator: torch.Generator, label: str) -> Any:
        """The physics, where torch's own generator draws what that of the cell would: some ask for no other."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            return self._made(source, x_shape, generator, label)

    def _made(self, source: Any, x_shape: Shape, generator: Any, label: str) -> Any:
        """The physics. Raises ConfigError if it cannot be made, or does not take its arguments."""
        if not (isinstance(source, type) or inspect.isfunction(source)):
            return source
        given = {"img_size": x_shape, "x_shape": x_shape, "img_width": x_shape[-1], "rng": generator, **self._files()}
        known = inspect.signature(source).parameters
        if lacking := [key for key in self._files() if key not in known]:
            raise ConfigError(f"{label} takes no {lacking[0]}; leave task.{lacking[0]} out")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*are ignored")  # what it says of arguments it does not know
            try:
                return source(**{key: each for key, each in given.items() if key in known} | self.arguments)
            except Exception as error:  # third-party code may raise anything
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                raise ConfigError(f"{label} cannot be made: {reason}") from error

    def _files(self) -> dict[str, Tensor]:
        """What the files hold."""
        files = {}
        if self.mask:
            files["mask"] = ib.read_plane(Path(self.mask).expanduser())
        if self.filter:
            kernel = ib.read_plane(Path(self.filter).expanduser())
            if not kernel.sum() > 0:
                raise DataError(f"{self.filter}: expected a kernel whose weights have a sum above 0")
            files["filter"] = (kernel / kernel.sum())[None, None]
        return files


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [DeepinvPhysics]
