"""Algorithm 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import invbench as ib
from invbench import ConfigError, Operator, Prior, Rng, Task, Training

from . import losses
from .adversary import Discriminator, adaptive_weight, fool_loss, judge_loss
from .bridge import draw_a, network_input
from .conditional import conditioned
from .options import DaviOptions

if TYPE_CHECKING:
    from .solver import Davi


@dataclass(frozen=True)
class Part:
    """A part of a batch: training images, their measurements, generators of further draws, its share of the batch."""

    x0: Tensor
    y: Tensor
    A: Operator
    rng: Rng
    share: float


@dataclass
class Noised:
    """x_t, its time and the networks' index of it, the noise that predicts its score; what psi sees and says."""

    x_t: Tensor
    t: Tensor
    index: Tensor
    eps: Tensor
    net_in: Tensor
    eps_psi: Tensor | None = None


@dataclass
class Learner:
    """The three networks and what is minimised."""

    solver: Davi
    task: Task
    theta: Prior
    training: Training

    def __post_init__(self) -> None:
        o: DaviOptions = self.training.options
        if self._operator.measures_complex:
            raise ConfigError(f"davi: its network takes images; the measurements of {self.task.name} are complex")
        if o.redraw:
            self.refuse_fixed()
        self.o, self.bridge = o, self.solver.make_bridge()
        self.diffusion = losses.Diffusion(o.ikl_schedule, o.T, self.theta, self.training.device)
        self.phi, self.psi, self.average = (self.theta.student() for _ in range(3))
        if o.conditional:
            self.psi = conditioned(self.psi)
        self.training.compiled(*(each.net for each in (self.theta, self.phi, self.psi) if hasattr(each, "net")))
        if self.solver.weights:
            for network in (self.phi.net, self.average.net):
                self.solver.load(network, self.training.config["benchmark"], self.training.config["task"])
        self.networks: dict[str, nn.Module] = {"phi": self.phi.net, "psi": self.psi.net, "average": self.average.net}
        rates = {"phi": o.lr, "psi": o.lr}
        if o.adversarial:
            if not hasattr(self.phi.net, "output_blocks"):
                raise ConfigError("training.adversarial needs a prior that is an ADM network; this one is not")
            judge = Discriminator(self.theta.x_shape[0], self.training.seed).to(self.training.device)
            self.networks["judge"], rates["judge"] = judge, o.lr_adversary
        self.optimizers = {
            name: torch.optim.AdamW(self.networks[name].parameters(), lr, weight_decay=o.weight_decay, fused=True)
            for name, lr in rates.items()
        }

    def batch(self, step: int) -> Iterator[Part]:
        """x_0 and y = H x_0 + n (lines 2 and 3), in ``accumulate`` parts."""
        x0, rng = self.training.batch(step, self.o.batch_size)
        A = self._operator if not self.o.redraw else self.operator(step)
        y, _ = self.task.noise_model.sample(A(x0), rng)
        size = -(-len(x0) // self.o.accumulate)
        for start in range(0, len(x0), size):
            rows = slice(start, start + size)
            yield Part(x0[rows], y[rows], A, rng.part(rows), len(x0[rows]) / len(x0))

    def restore(self, part: Part) -> Tensor:
        """x0_hat = I_phi(y_a, a) (lines 4 and 5)."""
        a = draw_a(self.o.density, part.rng)
        y_in = network_input(part.y, part.A, self.solver.fill, self.solver.hole, part.rng)
        y_a = self.bridge.point(part.x0, y_in, a, part.rng.randn_like(y_in))
        with self.training.autocast():
            out = self.phi.eps(y_a, a)
        return self.bridge.image(y_a, out.float(), a)

    def diffuse(self, x0_hat: Tensor, part: Part, std: float = 0.0) -> Noised:
        """Draw t and x_t about x0_hat (lines 7 and 8)."""
        x_t, t, index, eps = self.diffusion.draw(x0_hat.detach(), part.rng, std)
        net_in = x_t
        if self.o.conditional:
            net_in = torch.cat([x_t, network_input(part.y, part.A, self.solver.fill)], dim=1)
        return Noised(x_t, t, index, eps, net_in)

    def score_loss(self, x0_hat: Tensor, noised: Noised, step: int) -> Tensor:
        """What psi minimises (line 10); leaves its prediction in ``noised``."""
        with self.training.autocast():
            eps_psi, v = self.psi.eps_and_v(noised.net_in, noised.index)
        noised.eps_psi = eps_psi.detach().float()
        loss = losses.score(eps_psi.float(), noised.eps)
        self.training.log(step, score=loss)
        if not self.o.bound or v is None:
            return loss
        abar, x0 = self.diffusion.abar, x0_hat.detach()
        bound = ib.variational_bound(x0, noised.x_t, noised.t, noised.eps_psi, v.float(), abar).mean()
        self.training.log(step, bound=bound)
        return loss + bound

    def sampler_loss(self, x0_hat: Tensor, part: Part, step: int) -> Tensor:
        """What phi minimises, but for the divergence (line 13, and the supervised term of C.1)."""
        poisson = isinstance(self.task.noise_model, ib.PoissonNoise)
        consistency = losses.consistency(part.y, part.A(x0_hat), poisson)
        supervised = losses.supervised(part.x0, x0_hat, part.A, self.o.kept)
        self.training.log(step, consistency=consistency, supervised=supervised)
        loss = self.o.gamma * consistency + self.o.reg * supervised
        return loss + self.adversarial(x0_hat, part, step, supervised) if self.o.adversarial else loss

    def judge_loss(self, x0_hat: Tensor, part: Part, step: int) -> Tensor:
        """What the discriminator minimises."""
        judge = self.networks["judge"]
        loss = judge_loss(judge(part.x0)[-1], judge(x0_hat.detach())[-1])
        self.training.log(step, judge=loss)
        return loss

    def adversarial(self, x0_hat: Tensor, part: Part, step: int, supervised: Tensor) -> Tensor:
        """phi's term against the discriminator, weighted by the gradients at the last block's second convolution."""
        judge = self.networks["judge"]
        fool = fool_loss(judge(part.x0), judge(x0_hat))
        blocks: Any = self.phi.net.output_blocks
        weight = adaptive_weight(supervised, fool, blocks[-1][0].out_layers[-1].weight)
        self.training.log(step, fool=fool, weight=weight)
        return weight * fool

    def divergence(self, x0_hat: Tensor, noised: Noised, step: int) -> Tensor:
        """The pseudo-loss of the integral KL divergence (line 14), with psi's prediction where it is there already."""
        x_t, t = noised.x_t, noised.index
        with torch.no_grad(), self.training.autocast():
            eps_theta, eps_psi = self.theta.eps(x_t, t).float(), noised.eps_psi
            if eps_psi is None:
                eps_psi = self.psi.eps(noised.net_in, t).float() if self.o.posterior == "implicit" else noised.eps
        self.training.log(step, gap=(eps_theta - eps_psi).square().mean())
        abar = self.diffusion.abar[noised.t]
        weight = losses.weight(self.o.weighting, x0_hat.detach(), x_t, eps_theta, abar)
        return losses.ikl(x0_hat, eps_theta, eps_psi, weight)

    def validate(self, step: int) -> None:
        """Restore the held-out measurements with Algorithm 2 and phi's average, and keep it."""
        measured, figures = self.training.measured, {}
        if measured is not None:
            problem = ib.Problem(measured.A.to(self.training.device), None, self.task.name, "")
            rng = Rng.for_images(measured.images, purpose="validation")
            y = measured.y.to(self.training.device)
            with torch.inference_mode():
                x_hat = self.solver.solve(y, problem, self.theta, self.average, rng).cpu()
            error = (x_hat.clamp(-1, 1) - measured.x).square().flatten(1).mean(1)
            figures["psnr"] = (10 * (4 / error).log10()).mean().item()
            self.training.report(step + 1, **figures)
            self.training.show(step + 1, measured.x, network_input(measured.y, measured.A, self.solver.fill), x_hat)
        self.training.keep(self.average.net, step, **figures)

    def operator(self, step: int = 0) -> Operator:
        """The task's operator, of random tasks the one of this step."""
        rng = Rng.single(purpose="training operator", step=step, seed=self.training.seed)
        A = self.task.operator(self.theta.x_shape, rng)
        self.task.noise_model.refuse(A, self.task.name)
        return A.to(self.training.device)

    def refuse_fixed(self) -> None:
        """Raise ConfigError if ``redraw`` would draw the same operator in every step."""
        x = Rng.single(purpose="probe").randn(self.theta.x_shape).to(self.training.device)
        first, *others = (self.operator(step)(x) for step in range(8))
        if all(torch.equal(first, each) for each in others):
            raise ConfigError(
                f"training.redraw=true draws an operator in each iteration, but {self.task.name} has always the same; "
                "train on a random one, as task=inpaint_anywhere, or leave redraw out"
            )

    @cached_property
    def _operator(self) -> Operator:
        return self.training.measured.A.to(self.training.device) if self.training.measured else self.operator()


def fit(solver: Davi, task: Task, prior: Prior, training: Training) -> Path:
    """Train phi and psi in turn; returns the file with phi's average."""
    learner = Learner(solver, task, prior, training)
    o, phi, psi = learner.o, learner.optimizers["phi"], learner.optimizers["psi"]
    for step in training.steps(o.steps, learner.networks, learner.optimizers):
        for optimizer in (phi, psi):
            ib.set_lr(optimizer, o.lr * (ib.cosine(step, o.steps) if o.cosine else 1))
        ikl = o.ikl and step >= o.warmup * o.steps
        parts = list(learner.batch(step))
        images = [learner.restore(part) for part in parts] if o.shared else []  # with their graphs
        noised: list[Noised] = []
        if ikl and o.posterior == "implicit":
            for i, part in enumerate(parts):
                with torch.no_grad():
                    x0_hat = images[i] if o.shared else learner.restore(part)
                noised.append(learner.diffuse(x0_hat, part))
                training.backward(learner.score_loss(x0_hat, noised[i], step) * part.share)
            training.update(psi)
        if o.adversarial:
            learn_to_judge(learner, parts, images, step)
        for i, part in enumerate(parts):
            x0_hat = images[i] if o.shared else learner.restore(part)
            loss = learner.sampler_loss(x0_hat, part, step)
            if ikl:
                noisy = noised[i] if o.shared and noised else learner.diffuse(x0_hat, part, o.std)
                loss = loss + learner.divergence(x0_hat, noisy, step)
            training.backward(loss * part.share)
        training.update(phi)
        if step % o.ema_every == 0:
            ib.ema_update(learner.average.net, learner.phi.net, ib.ema_decay(step))
        if training.due(step):
            learner.validate(step)
    return training.weights


def learn_to_judge(learner: Learner, parts: list[Part], images: list[Tensor], step: int) -> None:
    """A step of the discriminator; phi's step leaves gradients in it, which are not its own."""
    judge = learner.optimizers["judge"]
    judge.zero_grad()
    for i, part in enumerate(parts):
        with torch.no_grad():
            x0_hat = images[i] if images else learner.restore(part)
        learner.training.backward(learner.judge_loss(x0_hat, part, step) * part.share)
    learner.training.update(judge)
