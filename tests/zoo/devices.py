"""Solvers that mix tensors of two devices."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zoo.register import broken
from zoo.solvers import LEVEL, _Bad, one_step


@broken("solver", "device")
@dataclass(frozen=True)
class MaskOnCpu(_Bad):
    """Makes a mask and does not say where; device."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) * torch.ones(problem.x_shape, dtype=y.real.dtype)


@broken("solver", "device")
@dataclass(frozen=True)
class NoiseOnCpu(_Bad):
    """Adds noise where the generators are, not where y is; device."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng) + 0.1 * rng.randn(problem.x_shape).to(y.real.dtype)


@broken("solver", "device")
@dataclass(frozen=True)
class ScheduleOnCpu(_Bad):
    """Looks up the schedule, which is on the CPU, with steps that are not; device."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        t = torch.full((len(y),), LEVEL, device=y.device)
        return x * prior.abar[t].to(x)[:, None, None, None]


@broken("solver", "device")
@dataclass(frozen=True)
class WeightsOnCpu(_Bad):
    """Puts a file's tensors in place of those of its network, as DAVI did; device."""

    def prepare(self, problem, prior):
        network = prior.student()
        file = {name: value.float().cpu() for name, value in network.net.state_dict().items()}
        network.net.load_state_dict(file, assign=True)
        return network

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, state.metered(prior.meter), rng)


@broken("solver", "device")
@dataclass(frozen=True)
class ReturnsCpu(_Bad):
    """Hands its images back on the CPU; device."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        return one_step(y, problem.A, prior, rng).cpu()


@broken("solver", "device")
@dataclass(frozen=True)
class ThroughNumpy(_Bad):
    """Takes the device's tensors for numpy's; device."""

    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = one_step(y, problem.A, prior, rng)
        return x / (1 + float(x.double().numpy().std() * 0))
