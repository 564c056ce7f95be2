"""Networks of one's own by a dotted name or of diffusers: what is taken, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called

import invbench as ib
from invbench.priors.own import DiffusersPrior, EdmPrior, ModulePrior

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

EDM = """
import torch
from torch import nn


class Precond(nn.Module):  # eq. 7 of Karras et al. (2022), around a convolution, called as the authors' classes are
    def __init__(self, img_resolution, img_channels, sigma_data=0.5):
        super().__init__()
        self.s, self.model = sigma_data, nn.Conv2d(img_channels, img_channels, 3, padding=1)

    def forward(self, x, sigma, class_labels=None, force_fp32=False):
        assert class_labels is None and not force_fp32
        sigma = sigma.to(torch.float32).reshape(-1, 1, 1, 1)
        total = (sigma**2 + self.s**2).sqrt()
        return (self.s / total) ** 2 * x + sigma * self.s / total * self.model(x / total)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_net.py").write_text(NETWORK)
    (tmp_path / "own_edm.py").write_text(EDM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_class_of_edm_is_a_denoiser_as_it_is(home: Path) -> None:
    torch.manual_seed(0)
    source = EdmPrior(target="own_edm:Precond", arguments={"img_resolution": 8, "img_channels": 3})
    prior = source.load((3, 8, 8), "cpu")
    x = ib.Rng.single(use="x").randn((2, 3, 8, 8))[0]
    for t in (3, 700):
        a = prior.alpha_bar(t)
        sigma = ((1 - a) / a) ** 0.5
        expected = prior.net(x / a**0.5, torch.tensor([sigma, sigma]))
        torch.testing.assert_close(prior.x0(x, t), expected, rtol=1e-4, atol=1e-4)
    sigma = ((1 - prior.abar) / prior.abar).sqrt()
    assert int(sigma[-1]) == 79, "near the 80 at which EDM's sampler begins"
    assert sigma[0] == pytest.approx(0.01, rel=1e-3)
    other = EdmPrior(target="own_edm:Precond", arguments={"img_resolution": 8, "img_channels": 3, "sigma_data": 1})
    assert other.fingerprint() != source.fingerprint()


def test_edm_by_its_name_in_a_run(home: Path) -> None:
    words = ["run", "solver=ddrm", "solver.nfe=3", "task=denoise", "prior=edm", "prior.target=own_edm:Precond", "n=1"]
    ran = called([*words, "prior.arguments={img_resolution:64,img_channels:3}", "references=false", "out=out"], home)
    assert ran.returncode == 0, ran.stderr
    assert "prior edm" in ran.stdout
    ran = called([*words, "references=false", "out=out"], home)
    assert ran.returncode != 0
    assert "prior edm: own_edm:Precond cannot be made: TypeError" in ran.stderr
    ran = called([*words, "prior.predicts=eps"], home)
    assert "prior edm: unknown prediction 'eps'" in ran.stderr


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
        ({"target": "own_net:torch"}, "own_net:torch: expected what is or makes a torch.nn.Module; got module"),
        ({"target": "own_net:Net", "arguments": {"width": 3}}, "own_net:Net cannot be made: TypeError: .*width"),
        ({"target": "own_net:Net", "weights": "no.pt"}, "no such file: no.pt"),
    ],
)
def test_what_cannot_be_loaded_is_said(home: Path, options: dict[str, Any], message: str) -> None:
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


def test_a_folder_of_diffusers_says_which_images_it_takes(tmp_path: Path) -> None:
    for name, content in (("unet/config.json", {"in_channels": 1}), ("scheduler/scheduler_config.json", {})):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(content))
    DiffusersPrior(folder=str(tmp_path)).refuse((1, 8, 8))
    with pytest.raises(ib.ConfigError, match="this prior takes 1-channel images; got 3x8x8"):
        DiffusersPrior(folder=str(tmp_path)).refuse((3, 8, 8))


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
