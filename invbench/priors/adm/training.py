"""Training an ADM prior: noise prediction with a learned variance (Nichol and Dhariwal, 2021)."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor

from invbench import ConfigError, Rng, Training, cosine, draw, ema_decay, ema_update, set_lr
from invbench.priors.adm.prior import AdmPrior
from invbench.priors.bound import variational_bound

LEVELS = (0.05, 0.2, 0.5, 1.0, 2.0)  # noise on [-1, 1] at which denoising is watched
SHOWN = 8


def fit(prior: AdmPrior, training: Training) -> Path:
    """Train the network of ``prior``; returns the file with its average."""
    o = training.options
    if o.crop % prior.net.config.stride:
        raise ConfigError(f"training.crop must be a multiple of {prior.net.config.stride}; got {o.crop}")
    student, average = prior.student(), prior.student()
    for each in (student, average):
        each.abar = each.abar.to(training.device)
    training.compiled(student.net)
    optimizer = torch.optim.AdamW(student.net.parameters(), o.lr, weight_decay=0.0, fused=True)
    for step in training.steps(o.steps, {"net": student.net, "average": average.net}, {"net": optimizer}):
        set_lr(optimizer, o.lr * min(1, (step + 1) / o.warmup) * cosine(step, o.steps, floor=0.01))
        whole_images = step >= (1 - o.last) * o.steps
        x0, rng = training.batch(
            step, max(1, o.batch_size // 4) if whole_images else o.batch_size, 0 if whole_images else o.crop
        )
        terms = losses(at_size(student, x0), x0, rng, training, o.low_snr)
        training.log(step, **terms)
        training.backward(terms["eps"] + o.bound * terms["bound"] + o.colour * terms["colour"])
        training.update(optimizer, clip=o.clip)
        ema_update(average.net, student.net, ema_decay(step, o.ema))
        if training.due(step):
            validate(average, training, step)
    return training.weights


def losses(prior: AdmPrior, x0: Tensor, rng: Rng, training: Training, low_snr: float) -> dict[str, Tensor]:
    """Losses of the predicted noise and of the predicted image's mean colour, and the bound for the variance."""
    steps = len(prior.abar)
    # One time from each of as many intervals; a sum of 32 bits may round up to the end of the last.
    spread = (torch.arange(len(x0), device=x0.device) + rng.rand(())) / len(x0)
    t = (steps * spread).long().clamp(max=steps - 1)
    abar, eps = prior.abar.to(x0)[t][:, None, None, None], rng.randn_like(x0)
    x_t = abar.sqrt() * x0 + (1 - abar).sqrt() * eps
    with training.autocast():
        eps_hat, v = prior.eps_and_v(x_t, t)
    assert v is not None
    eps_hat, weight = eps_hat.float(), ((1 - abar) / abar).clamp(1, low_snr)
    return {
        "eps": (weight * (eps - eps_hat).square()).mean(),
        "colour": bounded((prior.to_x0(x_t, eps_hat, t) - x0).mean((2, 3))),
        "bound": variational_bound(x0, x_t, t, eps_hat.detach(), v.float(), prior.abar).mean(),
    }


def bounded(error: Tensor) -> Tensor:
    """Mean of sqrt(1 + e^2) - 1: e^2 / 2 for small errors, a bounded gradient for large ones, such as at high noise."""
    return ((1 + error.square()).sqrt() - 1).mean()


def validate(average: AdmPrior, training: Training, step: int) -> None:
    """Denoise the held-out images at each level, draw some samples, and write the weights."""
    figures = {}
    if training.measured is not None:
        x = training.measured.x.to(training.device)
        prior, rng = at_size(average, x), Rng.for_images([str(i) for i in range(SHOWN)], purpose="shown")
        with torch.inference_mode():
            figures = {f"psnr_{level}": denoising_psnr(prior, x, level) for level in LEVELS}
            samples = draw(prior, rng, 50, training.device)
        training.report(step + 1, **figures)
        training.show(step + 1, samples[: SHOWN // 2], samples[SHOWN // 2 :])
    training.keep(average.net, step, **figures)


def denoising_psnr(prior: AdmPrior, x: Tensor, level: float) -> float:
    """PSNR in dB of the image predicted from x + level n, without clipping, averaged over images (B, C, H, W)."""
    t = int((prior.abar.log() + torch.log1p(torch.tensor(level**2, dtype=torch.float64))).abs().argmin())
    abar = prior.alpha_bar(t)
    noise = Rng.for_images([str(i) for i in range(len(x))], purpose="denoising", level=str(level)).randn_like(x)
    error = (prior.x0(abar**0.5 * x + (1 - abar) ** 0.5 * noise, t) - x).square().flatten(1).mean(1)
    return (10 * (4 / error).log10()).mean().item()


def at_size(prior: AdmPrior, x: Tensor) -> AdmPrior:
    """The prior for images of the size of ``x``: the network is convolutional and takes multiples of its stride."""
    resized = copy.copy(prior)
    resized.x_shape = tuple(x.shape[1:])
    return resized
