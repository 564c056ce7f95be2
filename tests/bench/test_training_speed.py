"""A training iteration of DAVI against the official code's order of computation, in one process, as a ratio.

Once with our network in both, for the order alone, and once with the network as the official code computes it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from test_unet_speed import plain_forward
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog
from invbench.priors.adm.prior import AdmPrior
from invbench.priors.adm.sources import AdmPhotos
from invbench.training import Training

SIDE, BATCH, ROUNDS = 64, 8, 3


class Plain(AdmPrior):
    """The network in the published order of computation."""

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(t, Tensor)
        eps, v = plain_forward(self.net, x_t, t).chunk(2, dim=1)
        return eps, v

    def student(self) -> Plain:
        net = AdmPrior.student(self).net.to(memory_format=torch.contiguous_format)
        return Plain(net, self.x_shape)


class Noise(ib.Dataset):
    """Images that cost nothing to load."""

    name = "noise"
    x_shape = (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return ["0"]

    def load(self, image_id: str) -> Tensor:
        return torch.zeros(self.x_shape)


def official(prior: ib.Prior, steps: int) -> Callable[[], None]:
    """Two passes of phi, psi with six channels and the bound, theta, psi again; super-resolution by 4."""
    phi, psi = prior.student(), prior.student()
    optimizers = [torch.optim.AdamW(p.net.parameters(), 1e-4) for p in (phi, psi)]
    A, a = ib.BlockMean(prior.x_shape, 4), torch.full((BATCH,), 700)
    rng = ib.Rng.for_images([str(i) for i in range(BATCH)])
    x0 = torch.zeros(BATCH, *prior.x_shape)

    def restore() -> Tensor:
        y_in = torch.nn.functional.interpolate(A(x0) + 0.05 * rng.randn(A.y_shape), size=SIDE, mode="bilinear")
        return torch.tanh(y_in + 0.1 * rng.randn_like(x0) - 1.4 * phi.eps(y_in, a))

    def noised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        t, eps = rng.integers(1000, ()), rng.randn_like(x)
        abar = prior.abar[t].float()[:, None, None, None]
        return abar.sqrt() * x + (1 - abar).sqrt() * eps, t, eps

    def iteration() -> None:
        with torch.no_grad():
            x = restore()
        x_t, t, eps = noised(x)
        eps_psi, v = psi.eps_and_v(x_t, t)
        assert v is not None
        bound = ib.variational_bound(x, x_t, t, eps_psi.detach(), v, prior.abar).mean()
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

    return lambda: [iteration() for _ in range(steps)] and None


def ours(prior: ib.Prior, folder: Path, steps: int) -> Callable[[], None]:
    catalog = load_catalog()
    davi, task = catalog.get("solver", "davi"), catalog.get("task", "sr4")()

    def train() -> None:
        options = davi.options(steps=steps, batch_size=BATCH)
        davi().fit(task, prior, Training(folder, {}, options, Noise(), save_every=10**9, last=steps))

    return train


def test_an_iteration_is_faster_than_in_the_official_order(tmp_path: Path) -> None:
    prior, steps = AdmPhotos().load((3, SIDE, SIDE), "cpu"), 3
    plain = Plain(prior.student().net, prior.x_shape).student()
    contestants = {
        "official": official(plain, steps),
        "official order": official(prior, steps),
        "invbench": ours(prior, tmp_path, steps),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(ROUNDS + 1):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            if round_:  # the first warms up
                times[name].append((time.perf_counter() - begin) / steps)
    medians = {name: statistics.median(t) for name, t in times.items()}
    ratios = {name: seconds / medians["invbench"] for name, seconds in medians.items()}
    for name, seconds in medians.items():
        print(f"\n{name}: {seconds:.3f} s an iteration of {BATCH} images of {SIDE}x{SIDE}, ratio {ratios[name]:.2f}")
    assert ratios["official"] >= 1.3
    assert ratios["official order"] >= 1.1
