"""A network of any convention behind the interface of priors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import invbench as ib
from invbench.priors.own import ModulePrior
from invbench.priors.own_prior import OwnPrior, betas_of

MU, TAU = 0.2, 0.5  # of white images in [-1, 1]
NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x, t):
        return self.conv(x) + t.reshape(-1, 1, 1, 1) / 1000
"""


class White(nn.Module):
    """What a perfect network says of N(m, s^2) images diffused on a schedule, in its own range and convention."""

    def __init__(self, predicts: str, unit: bool, betas: Tensor) -> None:
        super().__init__()
        self.predicts = predicts
        self.m, self.s = ((MU + 1) / 2, TAU / 2) if unit else (MU, TAU)
        self.abar = torch.from_numpy(ib.alpha_bar(betas.numpy()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if self.predicts == "denoiser":
            sigma = t[:, None, None, None]
            return (self.s**2 * x + sigma**2 * self.m) / (self.s**2 + sigma**2)
        a = self.abar[t][:, None, None, None].to(x)
        x0 = self.m + a.sqrt() * self.s**2 * (x - a.sqrt() * self.m) / (a * self.s**2 + 1 - a)
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        return {"x0": x0, "eps": eps, "v": a.sqrt() * eps - (1 - a).sqrt() * x0}[self.predicts]


@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "denoiser"])
@pytest.mark.parametrize("span", ["[-1,1]", "[0,1]"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "cosine"])
def test_every_convention_gives_the_noise_of_a_gaussian(predicts: str, span: str, schedule: str) -> None:
    betas = betas_of(schedule, 1e-4, 0.02, 1000)
    prior = OwnPrior(White(predicts, span == "[0,1]", betas), (3, 4, 4), betas, predicts, span, "cpu")
    x_t = ib.Rng.single(use="x").randn((2, 3, 4, 4))[0].double()
    for t in (5, 400, 900):
        a = prior.alpha_bar(t)
        expected = (1 - a) ** 0.5 * (x_t - a**0.5 * MU) / (a * TAU**2 + 1 - a)
        torch.testing.assert_close(prior.eps(x_t, t), expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(prior.eps(x_t, torch.tensor([t, t])), expected, rtol=1e-6, atol=1e-6)


def test_schedules_are_those_of_their_papers() -> None:
    np.testing.assert_allclose(betas_of("linear", 1e-4, 0.02, 1000), ib.linear_betas())
    np.testing.assert_allclose(betas_of("scaled_linear", 1e-4, 0.02, 1000), ib.quad_betas())
    abar = np.cumprod(1 - betas_of("cosine", 0, 0, 1000).numpy())
    at = (np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2
    np.testing.assert_allclose(abar[:990], (np.cos(at) ** 2 / np.cos(at[0]) ** 2)[1:991])


def test_half_of_twice_the_channels_is_the_variance() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Any:
            return type("Output", (), {"sample": torch.cat([x, 0 * x + 0.25], dim=1)})

    betas = betas_of("linear", 1e-4, 0.02, 1000)
    prior = OwnPrior(Both(), (3, 4, 4), betas, "eps", "[-1,1]", "cpu")
    eps, v = prior.eps_and_v(torch.ones(1, 3, 4, 4), 10)
    torch.testing.assert_close(eps, torch.ones(1, 3, 4, 4))
    assert v is not None
    assert (v == 0.25).all()


class Preconditioned(nn.Module):
    """EDM's D(x; sigma), eq. 7 of Karras et al. (2022), around a convolution, called as the authors' classes are."""

    def __init__(self, sigma_data: float = 0.5) -> None:
        super().__init__()
        self.s, self.model = sigma_data, nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None, force_fp32: bool = False) -> Tensor:
        assert class_labels is None
        assert not force_fp32
        sigma = sigma.to(torch.float32).reshape(-1, 1, 1, 1)
        total = (sigma**2 + self.s**2).sqrt()
        return (self.s / total) ** 2 * x + sigma * self.s / total * self.model(x / total)


def test_a_network_of_edm_is_a_denoiser_as_it_is() -> None:
    net = Preconditioned()
    prior = ib.prior_from(net, (3, 8, 8), predicts="denoiser")
    x = ib.Rng.single(use="x").randn((2, 3, 8, 8))[0]
    for t in (3, 700):
        a = prior.alpha_bar(t)
        sigma = ((1 - a) / a) ** 0.5
        expected = net(x / a**0.5, torch.tensor([sigma, sigma]))
        torch.testing.assert_close(prior.x0(x, t), expected, rtol=1e-4, atol=1e-4)


def test_the_levels_of_the_docs_are_those_of_the_schedule() -> None:
    """Up to 157, and with beta_end 0.0173 to 79, near the 80 of EDM's sampler."""
    for end, top in ((0.02, 157), (0.0173, 79)):
        abar = ib.alpha_bar(betas_of("linear", 1e-4, end, 1000).numpy())
        sigma = ((1 - abar) / abar) ** 0.5
        assert int(sigma[-1]) == top
        assert sigma[0] == pytest.approx(0.01, rel=1e-3)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_net.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_weights_are_loaded_whatever_wrapped_the_network(home: Path, prefix: str) -> None:
    weights = {f"{prefix}conv.weight": torch.ones(3, 3, 3, 3), f"{prefix}conv.bias": torch.zeros(3)}
    torch.save({"ema": weights, "optimizer": {"lr": 1.0}}, home / "w.pt")
    source = ModulePrior(target="own_net:Net", weights="w.pt", entry="ema")
    prior = source.load((3, 8, 8), "cpu")
    assert (prior.net.conv.weight == 1).all()
    assert len(source.fingerprint()) == 64
    assert (
        source.fingerprint()
        != ModulePrior(target="own_net:Net", weights="w.pt", entry="ema", predicts="x0").fingerprint()
    )
    assert prior.student().net.conv.weight.requires_grad


def saved(home: Path, content: object) -> None:
    torch.save(content, home / "w.pt")


STATE = {"conv.weight": torch.ones(3, 3, 3, 3), "conv.bias": torch.zeros(3)}
AVERAGED = {name: 2 * value for name, value in STATE.items()}


@pytest.mark.parametrize(
    ("content", "entry", "told"),
    [
        ({"epoch": 3, "state_dict": {f"model.{k}": v for k, v in AVERAGED.items()}}, "", "took 'state_dict' of w.pt"),
        ({f"ema_model.{k}": v for k, v in AVERAGED.items()}, "", "left 'ema_model.' out of names in w.pt"),
        (
            {f"model.{k}": v for k, v in STATE.items()} | {f"ema_model.{k}": v for k, v in AVERAGED.items()},
            "ema_model",
            "",
        ),
        ({"model": STATE, "ema": {f"on.{k}": v for k, v in AVERAGED.items()} | {"step": torch.ones(1)}}, "ema.on", ""),
    ],
)
def test_a_checkpoint_of_a_training_is_read_and_what_was_taken_is_told(
    home: Path, recwarn: pytest.WarningsRecorder, content: object, entry: str, told: str
) -> None:
    saved(home, content)
    net = ModulePrior(target="own_net:Net", weights="w.pt", entry=entry).load((3, 8, 8), "cpu").net
    assert torch.equal(net.conv.weight, AVERAGED["conv.weight"])
    warned = " ".join(str(each.message) for each in recwarn)
    assert told in warned
    assert bool(told) == bool(warned)


@pytest.mark.parametrize("entry", ["", "emma"])
def test_a_checkpoint_with_several_networks_names_them(home: Path, entry: str) -> None:
    saved(home, {"model": STATE, "ema": AVERAGED, "optimizer": {"lr": 1.0}})
    with pytest.raises(ib.DataError, match=r"w.pt: choose prior.entry=model or prior.entry=ema"):
        ModulePrior(target="own_net:Net", weights="w.pt", entry=entry).load((3, 8, 8), "cpu")
