"""invbench: a benchmark for solvers of noisy inverse problems with a diffusion prior.

Everything a plugin needs is importable from here. Names that need torch are loaded on first use, so that
``import invbench`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from invbench.artifacts import Artifact, data_advice, data_root, locate
from invbench.dataset import Benchmark, Dataset
from invbench.errors import (
    ConfigError,
    DataError,
    InvbenchError,
    PluginError,
    SolverError,
    StoreError,
    TrainingError,
    UnsupportedProblem,
    unknown,
)
from invbench.hookspecs import hookimpl
from invbench.metric import Measurement, Metric, SampleMetric, SetMetric
from invbench.noise import GaussianNoise, Noise, PoissonNoise, Sigma, UniformSigma, parse_noise
from invbench.operator import LinearOperator, Operator, Shape, SVDOperator
from invbench.prior import Prior, PriorSource, TrainablePrior
from invbench.rng import Rng, seeded
from invbench.schedule import (
    alpha_bar,
    ancestral_step,
    bridge_betas,
    bridge_std,
    ddim_split,
    even_grid,
    linear_betas,
    quad_betas,
    quad_grid,
    stride_grid,
    travel_walk,
)
from invbench.solver import OnStep, Problem, Solver, Trainable
from invbench.task import Task

if TYPE_CHECKING:
    from invbench.images import ImageFolder, read_rgb
    from invbench.linops import (
        BlockMean,
        ChannelMix,
        Circular,
        Convolution,
        Hadamard,
        Identity,
        Selection,
        Separable,
    )
    from invbench.priors.adm.checkpoint import load_strict, read_state_dict
    from invbench.priors.bound import variational_bound
    from invbench.priors.gmm import (
        Covariance,
        GaussianMixture,
        GmmPrior,
        LinearGaussianPosterior,
        patch_mixture,
        planar_mixture,
    )
    from invbench.training import Training, cosine, ema_decay, ema_update, read_card, read_tensors, set_lr

__version__ = "0.1.0"

_LAZY = {
    "priors.adm.checkpoint": ("load_strict", "read_state_dict"),
    "priors.bound": ("variational_bound",),
    "priors.gmm": (
        "Covariance",
        "GaussianMixture",
        "GmmPrior",
        "LinearGaussianPosterior",
        "patch_mixture",
        "planar_mixture",
    ),
    "images": ("ImageFolder", "read_rgb"),
    "linops": (
        "BlockMean",
        "ChannelMix",
        "Circular",
        "Convolution",
        "Hadamard",
        "Identity",
        "Selection",
        "Separable",
    ),
    "training": ("Training", "cosine", "ema_decay", "ema_update", "read_card", "read_tensors", "set_lr"),
}

__all__ = [
    "Artifact",
    "Benchmark",
    "BlockMean",
    "ChannelMix",
    "Circular",
    "ConfigError",
    "Convolution",
    "Covariance",
    "DataError",
    "Dataset",
    "GaussianMixture",
    "GaussianNoise",
    "GmmPrior",
    "Hadamard",
    "Identity",
    "ImageFolder",
    "InvbenchError",
    "LinearGaussianPosterior",
    "LinearOperator",
    "Measurement",
    "Metric",
    "Noise",
    "OnStep",
    "Operator",
    "PluginError",
    "PoissonNoise",
    "Prior",
    "PriorSource",
    "Problem",
    "Rng",
    "SVDOperator",
    "SampleMetric",
    "Selection",
    "Separable",
    "SetMetric",
    "Shape",
    "Sigma",
    "Solver",
    "SolverError",
    "StoreError",
    "Task",
    "Trainable",
    "TrainablePrior",
    "Training",
    "TrainingError",
    "UniformSigma",
    "UnsupportedProblem",
    "alpha_bar",
    "ancestral_step",
    "bridge_betas",
    "bridge_std",
    "cosine",
    "data_advice",
    "data_root",
    "ddim_split",
    "ema_decay",
    "ema_update",
    "even_grid",
    "hookimpl",
    "linear_betas",
    "load_strict",
    "locate",
    "parse_noise",
    "patch_mixture",
    "planar_mixture",
    "quad_betas",
    "quad_grid",
    "read_card",
    "read_rgb",
    "read_state_dict",
    "read_tensors",
    "seeded",
    "set_lr",
    "stride_grid",
    "travel_walk",
    "unknown",
    "variational_bound",
]


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(importlib.import_module(f"invbench.{module}"), name)
    raise AttributeError(f"module 'invbench' has no attribute {name!r}")
