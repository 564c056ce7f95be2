"""Networks of one's own: every prediction, schedule and range against a Gaussian prior, whose eps is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called
from torch import Tensor, nn

import invbench as ib
from invbench.priors.own import DiffusersPrior, ModulePrior
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


def test_a_run_and_a_restoration_take_it_from_the_current_folder(home: Path) -> None:
    words = ["run", "solver=ddrm", "solver.nfe=3", "task=denoise", "prior=module", "prior.target=own_net:Net", "n=1"]
    ran = called([*words, "references=false", "out=out"], home)
    assert ran.returncode == 0, ran.stderr
    assert "prior module" in ran.stdout
    y = torch.zeros(3, 12, 10)
    options = {"prior": "module", "prior__target": "own_net:Net", "solver__nfe": 3, "progress": False}
    assert ib.restore("ddrm", y, "denoise", sigma="0.1 [-1,1]", **options).samples.shape == (1, 3, 12, 10)


def test_a_network_that_cannot_be_made_is_a_line(home: Path) -> None:
    (home / "needs.py").write_text(NETWORK.replace("def __init__(self):", "def __init__(self, width):"))
    words = ["restore", "y.npy", "task=denoise", "solver=ddrm", "sigma=0.1 [0,1]", "to=x.npy"]
    np.save(home / "y.npy", np.zeros((3, 8, 8), np.float32))
    ran = called([*words, "prior=module", "prior.target=needs:Net"], home)
    assert ran.returncode != 0
    assert "prior module" in ran.stderr
    assert "width" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "prior=module needs the network: prior.target=package.module:name"),
        ({"target": "nowhere:Net"}, "cannot import nowhere"),
        ({"target": "own_net:Nat"}, "own_net has no Nat"),
        ({"target": "own_net:torch"}, "expected own_net:torch to be or to make a torch.nn.Module; got module"),
        ({"target": "own_net:Net", "weights": "no.pt"}, "no such file: no.pt"),
    ],
)
def test_what_cannot_be_loaded_is_said(home: Path, options: dict[str, str], message: str) -> None:
    del home
    with pytest.raises(ib.InvbenchError, match=message):
        ModulePrior(**options).load((3, 8, 8), "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predicts": "noise"}, "unknown prediction 'noise'"),
        ({"schedule": "sine"}, "unknown schedule 'sine'; did you mean 'cosine' or 'linear'"),
        ({"range": "[0,255]"}, "unknown range"),
        ({"steps": 0}, "needs steps from 1 to 10,000"),
    ],
)
def test_conventions_that_are_none_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        ModulePrior(**options)


def test_a_folder_of_diffusers_is_checked_before_its_package_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ib.DataError, match=r"prior=diffusers needs the folder"):
        DiffusersPrior().fingerprint()
    with pytest.raises(ib.DataError, match=r"expected unet/config.json with its weights"):
        DiffusersPrior(folder=str(tmp_path)).fingerprint()


def test_a_network_of_diffusers_predicts_as_it_does_there(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "block_out_channels": (32,)}
    net = diffusers.UNet2DModel(sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, **blocks).eval()
    net.save_pretrained(tmp_path / "unet")
    diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(tmp_path / "scheduler")
    source = DiffusersPrior(folder=str(tmp_path))
    prior = source.load((3, 8, 8), "cpu")
    x = ib.Rng.single(use="x").randn((2, 3, 8, 8))[0]
    with torch.inference_mode():
        torch.testing.assert_close(prior.eps(x, 300), net(x, 300).sample, rtol=1e-5, atol=1e-6)
    scheduler = diffusers.DDPMScheduler.from_pretrained(tmp_path / "scheduler")
    torch.testing.assert_close(prior.abar.float(), scheduler.alphas_cumprod, rtol=1e-4, atol=1e-7)
    assert json.loads((tmp_path / "unet" / "config.json").read_text())["in_channels"] == 3
    assert len(source.fingerprint()) == 64
