"""Restoring with a prior of one channel: a grey picture is one channel there, and colours are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called
from made_networks import own_weights
from PIL import Image
from torch import Tensor, nn

import invbench

QUIET: dict[str, Any] = {"sigma": "0.2 [-1,1]", "progress": False}


class Smooth(nn.Module):
    """The best linear guess of white images of deviation 1/2 from x + sigma z."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + 4 * sigma[:, None, None, None] ** 2)


@pytest.fixture(scope="module")
def grey() -> Image.Image:
    noise = invbench.Rng.single(use="grey").randn((24, 20))[0]
    return Image.fromarray((127.5 + 20 * noise).clamp(0, 255).byte().numpy())


def options(folder: Path) -> dict[str, Any]:
    return {"prior": "adm_own", "prior__weights": own_weights(folder), "solver__nfe": 2, **QUIET}


@pytest.mark.filterwarnings("ignore:A x differs")  # the network has learned nothing
def test_a_grey_picture_of_any_size_is_one_channel(tmp_path: Path, grey: Image.Image) -> None:
    odd = grey.crop((0, 0, 19, 22))  # sides that 4 does not divide are padded
    found = invbench.restore("ddrm", odd, "denoise", **options(tmp_path))
    assert found.samples.shape == (1, 1, 22, 19)
    assert found.picture.mode == "L"
    large = invbench.restore("ddrm", odd, "sr4", **options(tmp_path))
    assert large.samples.shape == (1, 1, 88, 76)
    tiles = invbench.restore("ddrm", grey.resize((40, 40)), "denoise", tile=32, **options(tmp_path))
    assert tiles.samples.shape == (1, 1, 40, 40)


@pytest.mark.filterwarnings("ignore:A x differs")
def test_a_mask_and_transparency_go_with_one_channel(tmp_path: Path, grey: Image.Image) -> None:
    mask = np.zeros((24, 20), np.uint8)
    mask[5:9] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    clear = Image.merge("LA", [grey, Image.new("L", grey.size, 128)])
    found = invbench.restore("ddrm", clear, "inpaint", task__mask=str(tmp_path / "m.png"), **options(tmp_path))
    assert found.samples.shape == (1, 1, 24, 20)
    assert found.picture.mode == "LA"


def test_an_object_of_one_channel_restores_as_it_does_from_an_array(grey: Image.Image) -> None:
    """Noise of one channel is its own: the picture's level is that of the array, not of three that share it."""
    prior = invbench.prior_from(Smooth(), (1, 24, 20), predicts="denoiser")
    y = torch.from_numpy(np.array(grey)).float().div(127.5).sub(1)[None]
    found = [invbench.restore("ddrm", each, "denoise", prior=prior, **QUIET) for each in (grey, y)]
    assert found[0].samples.shape == (1, 1, 24, 20)
    torch.testing.assert_close(found[0].samples, found[1].samples)
    expected = y / (1 + 4 * 0.2**2)  # the mean of the posterior, which samples spread around by 0.186
    assert (found[0].mean - expected).square().mean().sqrt() < 0.3


def test_colours_are_refused_before_the_network_is_called(tmp_path: Path, grey: Image.Image) -> None:
    grey.convert("RGB").save(tmp_path / "c.png")
    words = ["restore", "c.png", "task=denoise", "solver=ddrm", "sigma=0.1 [-1,1]", "to=x.png", "prior=adm_own"]
    refused = called([*words, f"prior.weights={own_weights(tmp_path)}"], tmp_path)
    assert refused.returncode == 2
    assert "the prior takes grey pictures, and y has colours; make it grey, or choose another prior" in refused.stderr
    assert "prior=adm_own has no weights" in called(words, tmp_path).stderr


@pytest.mark.filterwarnings("ignore:A x differs")
def test_a_measurement_of_two_channels_has_the_size_of_its_image(tmp_path: Path) -> None:
    y, prior = torch.zeros(2, 8, 12), {"prior": "adm_own", "prior__weights": own_weights(tmp_path, channels=2)}
    found = invbench.restore("ddrm", y, "denoise", size="2x8x12", solver__nfe=2, **prior, **QUIET)
    assert found.samples.shape == (1, 2, 8, 12)
    with pytest.raises(invbench.ConfigError, match="this prior takes 2-channel images; got 1x8x12"):
        invbench.restore("ddrm", y[:1], "denoise", size="1x8x12", **prior, **QUIET)
