"""Options of a DAVI training; ``options.toml`` holds the sets of the presets (the paper's Table 12)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from invbench import ConfigError, unknown

CHOICES = {
    "posterior": ("implicit", "gaussian"),
    "density": ("beta", "uniform", "end"),
    "ikl_schedule": ("linear", "quad", "quad_mapped"),
    "weighting": ("code", "constant", "dmd"),
}


@dataclass(frozen=True)
class DaviOptions:
    """How phi and psi are trained.

    - ``steps`` iterations of ``batch_size`` images, in ``accumulate`` parts; AdamW with learning rate ``lr``, a falling
      ``cosine`` or constant
    - losses: ``gamma`` weighs consistency, ``reg`` the supervised term, of which ``kept`` is the official inpainting
      form; ``ikl`` turns the divergence on, after the share ``warmup`` of the steps; ``adversarial`` adds the released
      code's discriminator (difference 9)
    - ``T``: times of the divergence, of the schedule ``ikl_schedule`` (difference 2); ``density``: p(a), "beta",
      "uniform", "end"
    - ``weighting``: w(t) of eq. 9: "code" is the official code's, "constant" 1, "dmd" that of distribution matching
      distillation, which a prediction's own error divides (:func:`~invbench_solvers.davi.losses.ikl`)
    - ``shared``: psi and phi learn from one x0_hat and one x_t, as in Algorithm 1, and so from one pass of either; phi
      sees psi's prediction from before psi's update. The official code draws twice (difference 18)
    - ``conditional`` shows psi the measurement, so that the divergence is of q(x | y) from the prior, as in eq. 8;
      without, as in the paper's algorithm, of what phi makes of all measurements together
    - ``bound`` adds the code's variational bound to psi's loss, for channels that nothing reads (difference 19)
    - ``posterior``: "implicit", or "gaussian" of standard deviation ``std``, which needs no psi (A.2; 0 is Dirac)
    - ``redraw``: a new operator every iteration, of a task whose operator is random (a mask somewhere else)
    - ``ema_every``: iterations between updates of the average that is kept
    """

    name: ClassVar[str] = "training"
    steps: int = 40_000
    batch_size: int = 8
    accumulate: int = 1
    lr: float = 1e-4
    weight_decay: float = 0.01
    cosine: bool = False
    gamma: float = 0.1
    reg: float = 1.0
    kept: float = 0.0
    ikl: bool = True
    warmup: float = 0.0
    T: int = 1000
    ikl_schedule: str = "linear"
    weighting: str = "code"
    density: str = "beta"
    shared: bool = True
    conditional: bool = False
    bound: bool = False
    posterior: str = "implicit"
    std: float = 0.0
    adversarial: bool = False
    lr_adversary: float = 1e-4
    redraw: bool = False
    ema_every: int = 5

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "accumulate", "T", "ema_every"):
            if getattr(self, key) < 1:
                raise ConfigError(f"training.{key} must be at least 1; got {getattr(self, key)}")
        if self.T > 1000:
            raise ConfigError(f"training.T must be at most 1000; got {self.T}")
        for key in ("lr", "lr_adversary", "weight_decay", "gamma", "reg", "kept", "std"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ConfigError(f"training.{key} must not be negative; got {getattr(self, key)}")
        if self.std and self.posterior != "gaussian":
            raise ConfigError("training.std needs training.posterior=gaussian; the implicit posterior has no std")
        if not 0 <= self.warmup <= 1:
            raise ConfigError(f"training.warmup is a share of the steps, 0 to 1; got {self.warmup}")
        for key, known in CHOICES.items():
            if getattr(self, key) not in known:
                raise ConfigError(unknown(f"training.{key}", getattr(self, key), known))
        if self.shared and self.accumulate > 1:
            raise ConfigError(
                "training.accumulate > 1 needs training.shared=false: one pass would hold every part's graph"
            )


# Table 5: what each configuration leaves out, from A, no divergence and no bridge, to F, the method; all but C with the
# h of the ablation's text, 0.01, where Table 12 has another (difference 12).
ABLATIONS: dict[str, dict[str, Any]] = {
    "a": {"training": {"ikl": False, "density": "end"}, "solver": {"h": 0.01}},
    "b": {"training": {"density": "end"}, "solver": {"h": 0.01}},
    "c": {"training": {"density": "uniform"}, "solver": {"perturbation": "constant", "h": 0.0}},
    "d": {"training": {"density": "uniform"}, "solver": {"perturbation": "constant", "h": 0.01}},
    "e": {"solver": {"perturbation": "constant", "h": 0.01}},
    "f": {"solver": {"h": 0.01}},
}

# B.2: DAVI-G learns from images drawn from the prior, whose number the paper does not give. B.3: for an unknown mask a
# box lies somewhere else in every iteration, in a training on task=inpaint_anywhere.
RECIPES: dict[str, dict[str, Any]] = {
    "davi_g": {"train": {"samples": 1024, "samples_nfe": 20}},
    "unknown_mask": {"training": {"redraw": True}},
}

BRIDGES, MAPS = ("i2sb", "linear"), ("tanh", "paper", "residual")
PERTURBATIONS = ("rising", "constant", "eq14")
FILLS = ("zero", "smooth")


def check(bridge: str, output: str, perturbation: str, fill: str, h: float, temperature: float, hole: float) -> None:
    """Raise ConfigError for a form of the bridge that does not exist."""
    for what, name, known in (
        ("bridge", bridge, BRIDGES),
        ("output map", output, MAPS),
        ("perturbation", perturbation, PERTURBATIONS),
        ("fill", fill, FILLS),
    ):
        if name not in known:
            raise ConfigError(f"davi: {unknown(what, name, known)}")
    for what, value in (("perturbation h", h), ("temperature", temperature), ("noise in the masked region", hole)):
        if not 0 <= value < math.inf:
            raise ConfigError(f"davi: the {what} must not be negative; got {value}")
