"""Options of an I2SB training; ``options.toml`` holds the sets of the presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from invbench import ConfigError


@dataclass(frozen=True)
class I2SBOptions:
    """How the network is trained; the defaults are the official code's.

    - ``steps`` iterations of ``batch_size`` images, in ``accumulate`` parts; AdamW with learning rate ``lr``, which is
      constant, or falls as a ``cosine``, or by 1 % every ``decay_every`` steps, as the official code's
    - ``ema``: decay of the average that is kept
    """

    name: ClassVar[str] = "training"
    steps: int = 100_000
    batch_size: int = 256
    accumulate: int = 1
    lr: float = 5e-5
    weight_decay: float = 0.0
    cosine: bool = False
    decay_every: int = 1000
    ema: float = 0.99

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "accumulate", "decay_every"):
            if getattr(self, key) < 1:
                raise ConfigError(f"training.{key} must be at least 1; got {getattr(self, key)}")
        for key in ("lr", "weight_decay"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ConfigError(f"training.{key} must not be negative; got {getattr(self, key)}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"training.ema, the decay of the average, is at least 0 and below 1; got {self.ema}")
