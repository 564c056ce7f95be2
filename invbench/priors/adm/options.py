"""Options of an ADM prior's training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from invbench import ConfigError


@dataclass(frozen=True)
class AdmOptions:
    """How an ADM prior is trained.

    - ``steps`` of ``batch_size`` random crops of ``crop`` pixels; for the share ``last`` of the steps, whole images, a
      quarter as many
    - AdamW with learning rate ``lr``, ``warmup`` steps up and a cosine down; gradients of norm at most ``clip``; the
      average's decay is at most ``ema``
    - the loss is the squared error of the noise, plus ``bound`` times the variational bound, a mean over steps (Nichol
      and Dhariwal weight its sum over 1000 by 0.001, which is 1 here), for the variance, plus ``colour`` times the
      error e of the predicted image's mean colour, mean of sqrt(1 + e^2) - 1. At high noise an image's mean is a
      millionth of the first term, which therefore hardly trains it, and samplers that start from noise fail there first
    - the error of the noise is weighted by 1 / SNR, between 1 and ``low_snr``; 1 is the plain loss
    """

    name: ClassVar[str] = "training"
    steps: int = 5000
    batch_size: int = 32
    crop: int = 32
    last: float = 0.15
    lr: float = 4e-4
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.9995
    bound: float = 0.001
    colour: float = 0.02
    low_snr: float = 1.0

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "crop", "warmup", "low_snr"):
            if getattr(self, key) < 1:
                raise ConfigError(f"training.{key} must be at least 1; got {getattr(self, key)}")
        for key in ("lr", "clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ConfigError(f"training.{key} must be positive; got {getattr(self, key)}")
        for key in ("bound", "colour"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ConfigError(f"training.{key} must not be negative; got {getattr(self, key)}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"training.ema is a decay, from 0 to below 1; got {self.ema}")
        if not 0 <= self.last <= 1:
            raise ConfigError(f"training.last is a share of the steps, 0 to 1; got {self.last}")
