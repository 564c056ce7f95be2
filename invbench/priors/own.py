"""Networks of the user's own as priors: a torch module by its dotted name, also of EDM, or a folder of diffusers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    ConfigError,
    DataError,
    Prior,
    PriorSource,
    Shape,
    existing,
    hookimpl,
    imported,
    refuse_channels,
    source_of,
    unknown,
    weights_sha256,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

PREDICTS, SCHEDULES = ("eps", "x0", "v", "denoiser"), ("linear", "scaled_linear", "cosine")
RANGES = ("[-1,1]", "[0,1]")


@dataclass(frozen=True)
class ModulePrior(PriorSource):
    """A torch module of your own, ``target="package.module:name"``, a class, a function that makes one, or a module.

    It is called as net(x_t, t), x_t (B, C, H, W), t the step 0 ... ``steps`` - 1, and returns a tensor, or an object
    with ``sample``. With twice the channels, the second half is the variance interpolation of ADM.

    - ``predicts``: the noise "eps", the image "x0", "v" (Salimans and Ho, 2022), or as a "denoiser" D(x; sigma) of EDM
      the image from x_0 + sigma z, sigma in the place of t
    - ``schedule``: of beta, "linear" (``beta_start`` to ``beta_end``), "scaled_linear" (their roots), or "cosine"
    - ``range``: of the images it was trained on, "[-1,1]" or "[0,1]"
    - ``weights``: a state dict, ``entry`` its name in a file with several, or the prefix of its names, as "ema" or
      "ema.model"; prefixes such as ``module.`` are left out
    - ``arguments``: of the class or function
    - ``channels``: of its images; 0 if it takes any
    """

    name: ClassVar[str] = "module"
    summary: ClassVar[str] = "a torch module of your own: prior.target=package.module:name"
    kinds: ClassVar[tuple[str, ...]] = PREDICTS
    target: str = ""
    weights: str = ""
    entry: str = ""
    predicts: str = "eps"
    schedule: str = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    steps: int = 1000
    range: str = "[-1,1]"
    channels: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value, known in (
            ("prediction", self.predicts, self.kinds),
            ("schedule", self.schedule, SCHEDULES),
            ("range", self.range, RANGES),
        ):
            if value not in known:
                raise ConfigError(f"prior {self.name}: {unknown(what, value, known)}")
        if not 1 <= self.steps <= 10_000 or not 0 < self.beta_start <= self.beta_end < 1:
            raise ConfigError(f"prior {self.name}: needs steps from 1 to 10,000, and 0 < beta_start <= beta_end < 1")

    def refuse(self, x_shape: Shape) -> None:
        refuse_channels(self.channels, x_shape)

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        from invbench.priors.own_prior import OwnPrior, betas_of, fill

        self.refuse(x_shape)
        net = self._made()
        if self.weights:
            fill(net, existing(self.weights), self.entry)
        betas = betas_of(self.schedule, self.beta_start, self.beta_end, self.steps)
        return OwnPrior(net, x_shape, betas, self.predicts, self.range, device)

    def fingerprint(self) -> str:
        """Of the weights' file, the module's source and these options."""
        self._found()
        weights = weights_sha256(existing(self.weights)) if self.weights else ""
        form = [self.target, self.entry, self.predicts, self.schedule, self.beta_start, self.beta_end, self.steps]
        arguments = [self.arguments] if self.arguments else []
        return _digest([*form, self.range, *arguments, weights, source_of(self.target, f"prior {self.name}")])

    def _made(self) -> nn.Module:
        """The module, made where a class or a function is named. Raises DataError or ConfigError."""
        from torch import nn

        thing, label = self._found(), f"prior {self.name}: {self.target}"
        if isinstance(thing, nn.Module) and self.arguments:
            raise ConfigError(f"{label} is made already, and takes no arguments")
        if not isinstance(thing, nn.Module) and callable(thing):
            try:
                thing = thing(**self.arguments)
            except Exception as error:  # the user's code may raise anything
                raise ConfigError(f"{label} cannot be made: {type(error).__name__}: {error}") from error
        if not isinstance(thing, nn.Module):
            raise ConfigError(f"{label}: expected what is or makes a torch.nn.Module; got {type(thing).__name__}")
        return thing

    def _found(self) -> Any:
        """What ``target`` names. Raises DataError where nothing is named, ConfigError where there is no such thing."""
        if not self.target:
            raise DataError(f"prior={self.name} needs the network: prior.target=package.module:name")
        return imported(self.target, f"prior {self.name}")


@dataclass(frozen=True)
class EdmPrior(ModulePrior):
    """A network of EDM, D(x; sigma) of Karras et al. (2022), eq. 7: ``target="training.networks:EDMPrecond"``.

    A class in the authors' form is called as net(x, sigma), without a class label, and made with ``arguments``, as
    {img_resolution:64,img_channels:3}. Otherwise it is as ``prior=module prior.predicts=denoiser``. Solvers ask for
    levels from 0.01 to 79, near the 80 at which EDM's sampler begins. The authors' files are pickles, which run code:
    ``weights`` is a state dict.
    """

    name: ClassVar[str] = "edm"
    summary: ClassVar[str] = "a network D(x; sigma) of EDM: prior.target=training.networks:EDMPrecond"
    kinds: ClassVar[tuple[str, ...]] = ("denoiser",)
    predicts: str = "denoiser"
    beta_end: float = 0.0173


def prior_from(
    net: nn.Module,
    x_shape: Shape,
    predicts: str = "eps",
    schedule: str = "linear",
    range: str = "[-1,1]",
    steps: int = 1000,
    device: torch.device | str = "cpu",
) -> Prior:
    """A torch module as a prior for images of shape (C, H, W), as :class:`ModulePrior` makes one of a dotted name.

    A denoiser of deepinv is ``predicts="denoiser"``, ``range="[0,1]"``. Raises ConfigError for a convention that is
    none.
    """
    from invbench.priors.own_prior import OwnPrior, betas_of

    form = ModulePrior(predicts=predicts, schedule=schedule, range=range, steps=steps)
    betas = betas_of(schedule, form.beta_start, form.beta_end, steps)
    return OwnPrior(net, tuple(x_shape), betas, predicts, range, device)


@dataclass(frozen=True)
class DiffusersPrior(PriorSource):
    """A folder as diffusers writes it: ``unet/`` with a UNet2DModel, ``scheduler/scheduler_config.json``.

    The folder of the network alone is enough if it contains the scheduler's file. Needs the package diffusers.
    """

    name: ClassVar[str] = "diffusers"
    summary: ClassVar[str] = "a UNet2DModel of diffusers and its scheduler: prior.folder=FOLDER"
    folder: str = ""

    def refuse(self, x_shape: Shape) -> None:
        network, _ = self._parts()
        refuse_channels(
            json.loads((network / "config.json").read_text(encoding="utf-8")).get("in_channels", 0), x_shape
        )

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        from invbench.priors.own_prior import OwnPrior, betas_of

        try:
            from diffusers import UNet2DModel
        except ImportError:
            raise DataError("prior=diffusers needs the package: pip install diffusers") from None
        network, scheduler = self._parts()
        config = json.loads(scheduler.read_text(encoding="utf-8"))
        net = UNet2DModel.from_pretrained(network, local_files_only=True)
        names = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
        schedules = {"linear": "linear", "scaled_linear": "scaled_linear", "squaredcos_cap_v2": "cosine"}
        predicts = _known(config, "prediction_type", "epsilon", names)
        schedule = _known(config, "beta_schedule", "linear", schedules)
        numbers = (config.get("beta_start", 1e-4), config.get("beta_end", 0.02))
        betas = betas_of(schedule, *numbers, config.get("num_train_timesteps", 1000))
        return OwnPrior(net, x_shape, betas, predicts, "[-1,1]", device)

    def fingerprint(self) -> str:
        network, scheduler = self._parts()
        files = sorted(f for f in network.iterdir() if f.suffix in (".safetensors", ".bin", ".json"))
        return _digest([weights_sha256(file) for file in [*files, scheduler]])

    def _parts(self) -> tuple[Path, Path]:
        """The network's folder and the scheduler's file. Raises DataError if they are not there."""
        if not self.folder:
            raise DataError("prior=diffusers needs the folder: prior.folder=FOLDER")
        root = Path(self.folder).expanduser()
        network = root / "unet" if (root / "unet").is_dir() else root
        places = [root / "scheduler" / "scheduler_config.json", network / "scheduler_config.json"]
        scheduler = next((place for place in places if place.is_file()), None)
        if not (network / "config.json").is_file() or scheduler is None:
            raise DataError(f"{root}: expected unet/config.json with its weights, and scheduler/scheduler_config.json")
        return network, scheduler


def _known(config: Mapping[str, Any], key: str, default: str, names: Mapping[str, str]) -> str:
    """Our name for a scheduler's value. Raises ConfigError for an unsupported one."""
    value = config.get(key, default)
    if value not in names:
        raise ConfigError(f"prior diffusers: {unknown(key, str(value), names)}")
    return names[value]


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@hookimpl
def invbench_register_priors() -> list[type[PriorSource]]:
    return [ModulePrior, EdmPrior, DiffusersPrior]
