"""How fast trainings are on a device: their crops a second, and an iteration of DAVI in the official code's order."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from published_unet import plain_forward
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog
from invbench.priors.adm.prior import AdmPrior, fresh_adm
from invbench.priors.adm.sources import AdmFfhq256, AdmPhotos
from invbench.training import Training

WARM, ROUNDS = 2, 3


@dataclass(frozen=True)
class Bytes(ib.Dataset):
    """Images that cost nothing to decode: ten, of 8-bit noise."""

    name = "bytes"
    side: int = 64

    @property
    def x_shape(self) -> ib.Shape:
        return (3, self.side, self.side)

    def ids(self) -> Sequence[str]:
        return [str(i) for i in range(10)]

    def load(self, image_id: str) -> Tensor:
        return ib.Rng.single(image=image_id).integers(256, self.x_shape)[0].float().div(127.5).sub(1)


class Plain(AdmPrior):
    """The network in the published order of computation."""

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(t, Tensor)
        eps, v = plain_forward(self.net, x_t, t).chunk(2, dim=1)
        return eps, v

    def student(self) -> Plain:
        net = AdmPrior.student(self).net.to(memory_format=torch.contiguous_format)
        return Plain(net, self.x_shape)


def training_speed(
    what: str, device: str, folder: Path, batch: int, side: int, steps: int = 20, **options: Any
) -> float:
    """Crops a second of ``invbench train prior=adm_photos`` ("prior") or ``solver=davi task=sr4`` ("davi").

    Of crops of ``side`` pixels, with every loss on; ``options`` are fields of a Training: dtype, compile.
    """
    catalog, images = load_catalog(), Bytes(side)
    source, davi = AdmPhotos(), catalog.get("solver", "davi")
    total = WARM + steps + 1  # in the last, the weights are kept
    chosen = davi.options(steps=total, batch_size=batch)
    if what == "prior":
        chosen = source.options(steps=total, batch_size=batch, crop=side, last=0.0)
    training = Training(folder, {}, chosen, images, device=torch.device(device), save_every=10**9, **options)
    times = _watched(training, device, WARM, WARM + steps)
    if what == "prior":
        source.fit(training)
    else:
        davi().fit(catalog.get("task", "sr4")(), source.load(images.x_shape, device), training)
    return batch * steps / (times[-1] - times[0])


def _watched(training: Training, device: str, *at: int) -> list[float]:
    """When these steps will have begun, filled as the training goes on."""
    times: list[float] = []
    inner = training.steps

    def steps(*args: Any) -> Any:
        for step in inner(*args):
            if step in at:
                times.append(_now(device))
            yield step

    training.steps = steps  # type: ignore[method-assign]
    return times


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Iteration:
    """Median seconds of an iteration, and the most memory it took on a GPU, bytes."""

    seconds: float
    memory: int


def ffhq(device: str, side: int = 256) -> AdmPrior:
    """The network of the FFHQ-256 configuration, untrained, on images of ``side`` pixels."""
    return fresh_adm(AdmFfhq256.config(), (3, side, side), device, 0)


def iterations(prior: AdmPrior, device: str, folder: Path, batch: int, steps: int = 3) -> dict[str, Iteration]:
    """An iteration of DAVI on sr4, with every loss on, in float32: "official", "official order" and "invbench".

    "official" is that code's order with the network as it computes it, "official order" that order with our network.
    """
    plain = Plain(prior.student().net, prior.x_shape).student()
    contestants = {
        "official": official(plain, device, batch, steps),
        "official order": official(prior, device, batch, steps),
        "invbench": ours(prior, device, folder, batch, steps),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    memory = dict.fromkeys(contestants, 0)
    for round_ in range(ROUNDS + 1):
        for name, run in contestants.items():
            if device.startswith("cuda"):
                torch.cuda.reset_peak_memory_stats(device)
            seconds = run()
            if round_:  # the first warms up
                times[name].append(seconds / steps)
            memory[name] = torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else 0
    return {name: Iteration(statistics.median(each), memory[name]) for name, each in times.items()}


def official(prior: ib.Prior, device: str, batch: int, steps: int) -> Callable[[], float]:
    """Two passes of phi, psi with six channels and the bound, theta, psi again; super-resolution by 4."""
    phi, psi = prior.student(), prior.student()
    optimizers = [torch.optim.AdamW(p.net.parameters(), 1e-4) for p in (phi, psi)]
    side = prior.x_shape[1]
    A, a = ib.BlockMean(prior.x_shape, 4).to(torch.device(device)), torch.full((batch,), 700, device=device)
    rng, abar_of = ib.Rng.for_batch(batch, device), prior.abar.to(device)
    x0 = torch.zeros(batch, *prior.x_shape, device=device)

    def restore() -> Tensor:
        y_in = torch.nn.functional.interpolate(A(x0) + 0.05 * rng.randn(A.y_shape), size=side, mode="bilinear")
        return torch.tanh(y_in + 0.1 * rng.randn_like(x0) - 1.4 * phi.eps(y_in, a))

    def noised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        t, eps = rng.integers(1000, ()), rng.randn_like(x)
        abar = abar_of[t].float()[:, None, None, None]
        return abar.sqrt() * x + (1 - abar).sqrt() * eps, t, eps

    def iteration() -> None:
        with torch.no_grad():
            x = restore()
        x_t, t, eps = noised(x)
        eps_psi, v = psi.eps_and_v(x_t, t)
        assert v is not None
        bound = ib.variational_bound(x, x_t, t, eps_psi.detach(), v, abar_of).mean()
        ((eps - eps_psi).square().mean() + bound).backward()
        optimizers[1].step()
        optimizers[1].zero_grad()
        x = restore()
        with torch.no_grad():
            x_t, t, _ = noised(x)
            direction = prior.eps(x_t, t) - psi.eps(x_t, t)
        loss = (direction * x).mean() + 0.1 * A(x).square().mean() + (x - x0).square().mean()
        loss.backward()
        optimizers[0].step()
        optimizers[0].zero_grad()

    def run() -> float:
        iteration()
        begin = _now(device)
        for _ in range(steps):
            iteration()
        return _now(device) - begin

    return run


def ours(prior: ib.Prior, device: str, folder: Path, batch: int, steps: int) -> Callable[[], float]:
    """The training itself, anew each time."""
    catalog = load_catalog()
    davi, task = catalog.get("solver", "davi"), catalog.get("task", "sr4")()

    def run() -> float:
        options = davi.options(steps=steps + 2, batch_size=batch)
        images = Bytes(prior.x_shape[1])
        training = Training(folder, {}, options, images, device=torch.device(device), last=steps + 2)
        times = _watched(training, device, 1, 1 + steps)
        davi().fit(task, prior, training)
        return times[1] - times[0]

    return run
