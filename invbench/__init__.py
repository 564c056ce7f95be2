"""invbench: a benchmark for solvers of noisy inverse problems with a diffusion prior.

Everything a plugin needs is importable from here. Names that need torch are loaded on first use, so that
``import invbench`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from invbench.artifacts import data_advice, data_root
from invbench.dataset import Benchmark, Dataset
from invbench.errors import (
    ConfigError,
    DataError,
    InvbenchError,
    PluginError,
    SolverError,
    StoreError,
    UnsupportedProblem,
    unknown,
)
from invbench.hookspecs import hookimpl
from invbench.metric import Measurement, Metric, SampleMetric
from invbench.noise import GaussianNoise, Noise, PoissonNoise, Sigma, UniformSigma, parse_noise
from invbench.operator import LinearOperator, Operator, Shape, SVDOperator
from invbench.prior import Prior, PriorSource
from invbench.rng import Rng
from invbench.schedule import ancestral_step, ddim_split, even_grid, quad_grid, stride_grid, travel_walk
from invbench.solver import OnStep, Problem, Solver, Trainable
from invbench.task import Task

if TYPE_CHECKING:
    from invbench.gmm import (
        Covariance,
        GaussianMixture,
        GmmPrior,
        LinearGaussianPosterior,
        patch_mixture,
        planar_mixture,
    )
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

__version__ = "0.1.0"

_LAZY = {
    "gmm": (
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
}

__all__ = [
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
    "Shape",
    "Sigma",
    "Solver",
    "SolverError",
    "StoreError",
    "Task",
    "Trainable",
    "UniformSigma",
    "UnsupportedProblem",
    "ancestral_step",
    "data_advice",
    "data_root",
    "ddim_split",
    "even_grid",
    "hookimpl",
    "parse_noise",
    "patch_mixture",
    "planar_mixture",
    "quad_grid",
    "read_rgb",
    "stride_grid",
    "travel_walk",
    "unknown",
]


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(importlib.import_module(f"invbench.{module}"), name)
    raise AttributeError(f"module 'invbench' has no attribute {name!r}")
