"""Algorithm 1 of I2SB: predict how far a point of the bridge is from the clean image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import invbench as ib
from invbench import ConfigError, Operator, Prior, Rng, Task, Training

from .bridge import T, hole, network_time, start
from .options import I2SBOptions

if TYPE_CHECKING:
    from .solver import I2SB


@dataclass
class Learner:
    """The network, its average, and what is minimised."""

    solver: I2SB
    task: Task
    prior: Prior
    training: Training

    def __post_init__(self) -> None:
        self.o: I2SBOptions = self.training.options
        self.A = self._operator()
        if self.A.measures_complex:
            raise ConfigError(f"i2sb: its network takes images; the measurements of {self.task.name} are complex")
        self.bridge = self.solver.make_bridge()
        self.net, self.average = self.prior.student(), self.prior.student()
        self.training.compiled(self.net.net)
        if self.solver.weights:
            for network in (self.net.net, self.average.net):
                self.solver.load(network, self.training.config["benchmark"], self.training.config["task"])
        self.optimizer = torch.optim.AdamW(
            self.net.net.parameters(), self.o.lr, weight_decay=self.o.weight_decay, fused=True
        )

    def parts(self, step: int) -> Iterator[tuple[Tensor, Tensor, Rng, float]]:
        """x_0, y = H x_0 + n, generators of further draws and the share of the batch, in ``accumulate`` parts."""
        x_0, rng = self.training.batch(step, self.o.batch_size)
        y, _ = self.task.noise_model.sample(self.A(x_0), rng)
        size = -(-len(x_0) // self.o.accumulate)
        for first in range(0, len(x_0), size):
            rows = slice(first, first + size)
            yield x_0[rows], y[rows], rng.part(rows), len(x_0[rows]) / len(x_0)

    def loss(self, x_0: Tensor, y: Tensor, rng: Rng) -> Tensor:
        """Squared error of the predicted (x_a - x_0) / sigma_f(a) (eq. 12), with ``masked`` over the hole alone."""
        x_1, a = start(y, self.A, rng), rng.integers(T, ()).to(x_0.device)
        x_a = self.bridge.point(x_0, x_1, a, rng.randn_like(x_0))
        missing = hole(self.A, y) if self.solver.masked else None
        x_a = x_a if missing is None else torch.where(missing, x_a, x_1)
        with self.training.autocast():
            out = self.net.eps(x_a, network_time(a))
        error = (out.float() - (x_a - x_0) / self.bridge.sigma_f(a, x_0)).square()
        return error.mean() if missing is None else (error * missing).mean()

    def lr(self, step: int) -> float:
        """The learning rate of a step."""
        if self.o.cosine:
            return self.o.lr * ib.cosine(step, self.o.steps)
        return self.o.lr * 0.99 ** (step // self.o.decay_every)

    def validate(self, step: int) -> None:
        """Restore the held-out measurements with the average, in the solver's calls, and keep it."""
        measured, figures = self.training.measured, {}
        if measured is not None:
            y, device = measured.y.to(self.training.device), self.training.device
            problem = ib.Problem(measured.A.to(device), None, self.task.name, "")
            rng = Rng.for_images(measured.images, purpose="validation")
            with torch.no_grad():  # cddb_deep differentiates within
                x_hat = self.solver.solve(y, problem, self.prior, self.average, rng).cpu()
            error = (x_hat.clamp(-1, 1) - measured.x).square().flatten(1).mean(1)
            figures["psnr"] = (10 * (4 / error).log10()).mean().item()
            self.training.report(step + 1, **figures)
            self.training.show(step + 1, measured.x, start(y, problem.A, rng).cpu(), x_hat)
        self.training.keep(self.average.net, step, **figures)

    def _operator(self) -> Operator:
        if self.training.measured:
            return self.training.measured.A.to(self.training.device)
        A = self.task.operator(self.prior.x_shape, Rng.single(purpose="training operator", seed=self.training.seed))
        self.task.noise_model.refuse(A, self.task.name)
        return A.to(self.training.device)


def fit(solver: I2SB, task: Task, prior: Prior, training: Training) -> Path:
    """Train the network; returns the file with its average."""
    learner = Learner(solver, task, prior, training)
    networks = {"net": learner.net.net, "average": learner.average.net}
    for step in training.steps(learner.o.steps, networks, {"net": learner.optimizer}):
        ib.set_lr(learner.optimizer, learner.lr(step))
        for x_0, y, rng, share in learner.parts(step):
            loss = learner.loss(x_0, y, rng)
            training.log(step, loss=loss)
            training.backward(loss * share)
        training.update(learner.optimizer)
        ib.ema_update(learner.average.net, learner.net.net, learner.o.ema)
        if training.due(step):
            learner.validate(step)
    return training.weights
