"""Restoring measurements of one's own: every kind of file, size and operator, against the truth that a test has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import called
from made_images import noise, photo, saved
from made_networks import own_weights
from PIL import Image
from torch import Tensor, nn

import invbench
from invbench.plugins import load_catalog

QUIET: dict[str, Any] = {"progress": False}
CATALOG = load_catalog()


def psnr(x: Tensor, truth: Tensor) -> float:
    return float(10 * (4 / (x - truth).square().mean()).log10())


def test_a_noisy_picture_of_any_size_is_denoised(tmp_path: Path) -> None:
    x = photo(70, 50)
    y = x + noise(x.shape, 0.2)
    found = invbench.restore("ddrm", saved(y, tmp_path / "y.png"), "denoise", sigma="0.1 [0,1]", **QUIET)
    assert found.samples.shape == (1, 3, 70, 50)
    assert psnr(found.mean, x) > psnr(y, x) + 5
    assert 0.8 < found.misfit / 0.2 < 1.2
    assert found.calls == 20
    assert found.picture.size == (50, 70)
    again = invbench.restore("ddrm", y.clamp(-1, 1).numpy(), "denoise", sigma="0.2 [-1,1]", **QUIET)
    assert psnr(again.mean, x) == pytest.approx(psnr(found.mean, x), abs=0.5)


def test_a_blur_by_a_kernel_file_is_undone(tmp_path: Path) -> None:
    """Made with mirrored borders, which the periodic operator has not: that is what the faded margin is for."""
    x = photo(64, 72)
    kernel = torch.zeros(7, 7)
    kernel[3] = 1
    Image.fromarray((255 * kernel).byte().numpy()).save(tmp_path / "k.png")
    y = invbench.Convolution((3, 64, 72), kernel / kernel.sum())(x[None])[0] + noise(x.shape, 0.02)
    options = {"task__kernel": str(tmp_path / "k.png"), "sigma": "0.02 [-1,1]"}
    found = invbench.restore("ddrm", y, "deblur", **options, **QUIET)
    assert psnr(found.mean, x) > psnr(y, x) + 3
    assert psnr(found.mean[:, :8], x[:, :8]) > psnr(y[:, :8], x[:, :8]), "and not at the expense of the border"
    np.save(tmp_path / "k.npy", kernel.numpy())
    same = invbench.restore("ddrm", y, "deblur", task__kernel=str(tmp_path / "k.npy"), sigma="0.02 [-1,1]", **QUIET)
    assert torch.equal(same.samples, found.samples)


def test_what_is_white_in_a_mask_is_filled_in(tmp_path: Path) -> None:
    x = photo(50, 61)
    mask = np.zeros((50, 61), np.uint8)
    mask[20:26], mask[:, 30] = 255, 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    white = torch.where(torch.from_numpy(mask) > 0, 1.0, x + noise(x.shape, 0.02))
    options = {"task__mask": str(tmp_path / "m.png"), "sigma": "0.02 [-1,1]"}
    found = invbench.restore("ddnm_plus", white, "inpaint", solver__steps=20, **options, **QUIET)
    assert psnr(found.mean, x) > 26
    other = torch.where(torch.from_numpy(mask) > 0, -1.0, white)  # what the hole shows is not looked at
    same = invbench.restore("ddnm_plus", other, "inpaint", solver__steps=20, **options, **QUIET)
    assert torch.equal(same.samples, found.samples)


def test_a_small_picture_is_enlarged_by_a_trained_solver() -> None:
    x = photo(64, 80)
    y = invbench.BlockMean((3, 64, 80), 4)(x[None])[0] + noise((3, 16, 20), 0.05)
    found = invbench.restore("davi", y, "sr4", sigma="0.05 [-1,1]", **QUIET)
    assert found.samples.shape == (1, 3, 64, 80)
    assert psnr(found.mean, x) > 20
    assert found.calls == 1


def test_grey_stays_grey_and_transparency_is_kept(tmp_path: Path) -> None:
    x = photo(32, 32).mean(0, keepdim=True)
    y = x + noise(x.shape, 0.2)
    grey = Image.fromarray(((y[0] + 1) * 127.5).clamp(0, 255).byte().numpy())
    found = invbench.restore("ddrm", grey, "denoise", sigma="0.2 [-1,1]", **QUIET)
    assert found.picture.mode == "L"
    assert psnr(found.mean.mean(0, keepdim=True), x) > psnr(y, x) + 4
    clear = Image.merge("RGBA", [*grey.convert("RGB").split(), Image.new("L", (32, 32), 128)])
    found = invbench.restore("wiener", clear, "denoise", sigma="0.2 [-1,1]", **QUIET)
    assert found.picture.mode == "RGBA"
    assert np.asarray(found.picture)[..., 3].tolist() == np.full((32, 32), 128).tolist()


def test_a_grey_photograph_is_colorized_and_one_channel_is_grey() -> None:
    """Colour comes out of colorization, and grey of the rest, whether y is a picture or an array of one channel."""
    x = photo(32, 32)
    y = x.mean(0, keepdim=True)
    bytes_ = ((y[0] + 1) * 127.5).byte().numpy()
    for each in (y, bytes_):
        found = invbench.restore("ddrm", each, "colorize", sigma="0.01 [-1,1]", solver__nfe=5, **QUIET)
        assert found.picture.mode == "RGB"
        assert psnr(found.mean.mean(0, keepdim=True), y) > 25, "five calls come near to the measured grey"
        for task in ("denoise", "inpaint"):
            options = {"task__box": 8} if task == "inpaint" else {}
            plain = invbench.restore("wiener", each, task, sigma="0.01 [-1,1]", **options, **QUIET)
            assert plain.picture.mode == "L"


def test_tiles_give_the_image_of_the_whole() -> None:
    """Of a method without a prior, whose pixels are their neighbours' business alone."""
    x = photo(90, 70)
    y = x + noise(x.shape, 0.1)
    whole = invbench.restore("wiener", y, "denoise", sigma="0.1 [-1,1]", **QUIET)
    tiles = invbench.restore("wiener", y, "denoise", sigma="0.1 [-1,1]", tile=32, **QUIET)
    torch.testing.assert_close(tiles.samples, whole.samples)
    small = invbench.BlockMean((3, 88, 64), 4)(x[None, :, :88, :64])[0]
    whole, tiles = (invbench.restore("bicubic", small, "sr4", tile=t, **QUIET) for t in (0, 48))
    assert tiles.samples.shape == (1, 3, 88, 64)
    assert psnr(tiles.mean[:, 8:-8, 8:-8], whole.mean[:, 8:-8, 8:-8]) > 30


def test_a_measurement_as_its_operator_has_it(tmp_path: Path) -> None:
    A = CATALOG.get("task", "cs4")().operator(
        (3, 32, 32), invbench.Rng.single(purpose="operator", task="cs4", use="restore")
    )
    x = photo(32, 32)
    np.save(tmp_path / "y.npy", A(x[None])[0].numpy())
    found = invbench.restore("ddrm", tmp_path / "y.npy", "cs4", size="32x32", sigma="0.01 [-1,1]", **QUIET)
    assert found.misfit < 0.05
    assert found.samples.shape == (1, 3, 32, 32)


class Halves(invbench.LinearOperator):
    """The left half of an image: an operator of the user's own."""

    x_shape, y_shape = (3, 32, 32), (3, 32, 16)

    def _A(self, x: Tensor) -> Tensor:
        return x[..., :16]


def test_objects_of_ones_own_are_used() -> None:
    x = photo(32, 32)
    prior = CATALOG.get("prior", "adm_photos")().load((3, 32, 32), "cpu")
    solver = CATALOG.get("solver", "diffpir")(nfe=5)
    found = invbench.restore(solver, x[..., :16], Halves(), sigma="0.01 [-1,1]", prior=prior, samples=3, **QUIET)
    assert found.samples.shape == (3, 3, 32, 32)
    assert found.spread > 0.01
    assert found.std[..., 16:].mean() > found.std[..., :16].mean(), "more is known where it was measured"
    assert "3 samples of 3x32x32" in repr(found)
    assert found._repr_png_()[:4] == b"\x89PNG"


def test_a_solver_of_ones_own_is_given_the_level_that_is_assumed() -> None:
    y = photo(16, 16) + noise((3, 16, 16), 0.1)
    hidden = {"task__noise": "poisson 1.0", "assume": "0.1 [-1,1]", **QUIET}
    solver = CATALOG.get("solver", "ddrm")(nfe=3)
    by_name = invbench.restore("ddrm", y, "denoise", solver__nfe=3, **hidden)
    assert torch.equal(invbench.restore(solver, y, "denoise", **hidden).samples, by_name.samples)


def test_samples_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    y = photo(16, 16) + noise((3, 16, 16), 0.2)
    one, two = (
        invbench.restore("ddrm", y, "denoise", sigma="0.2 [-1,1]", samples=3, batch_size=b, solver__nfe=3, **QUIET)
        for b in (1, 3)
    )
    torch.testing.assert_close(one.samples, two.samples, rtol=0, atol=1e-4)  # chaotic: 1e-7 a call, amplified


def test_what_contradicts_operator_or_noise_is_warned_of() -> None:
    x = photo(32, 32)
    with pytest.warns(UserWarning, match="y looks noisier, 0.2 on"):
        invbench.restore("wiener", x + noise(x.shape, 0.2), "denoise", sigma="0.02 [-1,1]", **QUIET)
    with pytest.warns(UserWarning, match="y may not be a measurement by this operator"):
        invbench.restore("davi", photo(16, 16) * 0 + 1.0, "sr4", sigma="0.001 [-1,1]", **QUIET)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("ddrm", "y", "denoise"), {}, "solver ddrm needs the level of the noise: sigma='0.02"),
        (("ddrm", "y", "denoise"), {"sigma": "0.02"}, "has no unit"),
        (
            ("ddrm", "y", "denoise"),
            {"sigma": "0.02 [0,1]", "samples": 0},
            "samples must be a whole number, at least 1; got 0",
        ),
        (("ddrm", "y", "denoise"), {"sigma": "0.02 [0,1]", "samples": 1.5}, "samples must be a whole number"),
        (
            ("ddrm", "y", "denoise"),
            {"sigma": "0.02 [0,1]", "seed": -1},
            "seed must be a whole number, at least 0; got -1",
        ),
        (("ddrm", "y", "denoise"), {"sigma": "0.02 [0,1]", "tile": 2}, "tile must be at least 32 pixels, or 0"),
        (("ddrm", "y", "hdr"), {"sigma": "0.02 [0,1]"}, "needs an operator of type SVDOperator"),
        (("ddrm", "y", "cs4"), {"sigma": "0.02 [0,1]"}, "is not a measurement of this task"),
        (("ddrm", "nowhere.png", "denoise"), {"sigma": "0.02 [0,1]"}, "nowhere.png: no such file"),
        (("ddrm", 3, "denoise"), {"sigma": "0.02 [0,1]"}, "expected a measurement as a file, a picture"),
        (("ddrm", "y", "inpaint"), {"sigma": "0.02 [0,1]", "task__box": 90}, "box must be smaller"),
        (("ddrm", "y", "denoise"), {"sigma": "0.02 [0,1]", "task__noise": "poisson 1"}, "task__noise is given twice"),
        (("ddrm", "y", "denoise"), {"sigma": "0.02 [0,1]", "seed__x": 1}, "unknown option"),
        (("ddrm", "y", "denoise"), {"sigma": "0.02 [0,1]", "n": 3}, "unknown option of restore 'n'"),
        (("ddrm", "nan", "denoise"), {"sigma": "0.02 [0,1]"}, "values that are not finite"),
        (("ddrm", "none", "denoise"), {"sigma": "0.02 [0,1]"}, r"is empty: its shape is \(3, 0, 8\)"),
        (("i2sb", "y", "colorize"), {"sigma": "0.02 [0,1]"}, "no weights are shipped for task 'colorize'"),
    ],
)
def test_bad_input_is_said_before_the_first_network_call(
    arguments: tuple[str, Any, str], options: dict[str, Any], message: str
) -> None:
    solver, y, task = arguments
    own = {"y": torch.zeros(3, 32, 32), "nan": torch.full((3, 8, 8), torch.nan), "none": torch.zeros(3, 0, 8)}
    with pytest.raises(invbench.InvbenchError, match=message.replace("[", r"\[")):
        invbench.restore(solver, own.get(y, y) if isinstance(y, str) else y, task, **options, **QUIET)


def test_a_transparent_picture_is_saved_where_a_format_has_no_transparency(tmp_path: Path) -> None:
    half = Image.merge("RGBA", [Image.linear_gradient("L").resize((8, 8))] * 4)
    found = invbench.restore("wiener", half, "denoise", sigma="0.1 [0,1]", **QUIET)
    (path,) = found.save(tmp_path / "x.jpg")
    assert (found.picture.mode, Image.open(path).mode) == ("RGBA", "RGB"), "JPEG has no transparency"


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    with pytest.raises(invbench.ConfigError, match="the mask is 40x40, the image 32x32"):
        options = {"task__mask": str(tmp_path / "m.png"), "sigma": "0.02 [0,1]"}
        invbench.restore("ddrm", torch.zeros(3, 32, 32), "inpaint", **options, **QUIET)


GREY: dict[str, Any] = {"sigma": "0.2 [-1,1]", **QUIET}  # of the tests of priors of one channel


class Smooth(nn.Module):
    """The best linear guess of white images of deviation 1/2 from x + sigma z."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + 4 * sigma[:, None, None, None] ** 2)


@pytest.fixture(scope="module")
def grey() -> Image.Image:
    noise = invbench.Rng.single(use="grey").randn((24, 20))[0]
    return Image.fromarray((127.5 + 20 * noise).clamp(0, 255).byte().numpy())


def options(folder: Path) -> dict[str, Any]:
    return {"prior": "adm_own", "prior__weights": own_weights(folder), "solver__nfe": 2, **GREY}


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
    found = [invbench.restore("ddrm", each, "denoise", prior=prior, **GREY) for each in (grey, y)]
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
    found = invbench.restore("ddrm", y, "denoise", size="2x8x12", solver__nfe=2, **prior, **GREY)
    assert found.samples.shape == (1, 2, 8, 12)
    with pytest.raises(invbench.ConfigError, match="this prior takes 2-channel images; got 1x8x12"):
        invbench.restore("ddrm", y[:1], "denoise", size="1x8x12", **prior, **GREY)


NETWORKS = """
import torch


class Mean(torch.nn.Module):
    def __init__(self, channels=1):
        super().__init__()
        self.body = torch.nn.Conv2d(channels, channels, 1)

    def forward(self, x, t):
        return self.body(x)
"""


@pytest.mark.filterwarnings("ignore:A x differs")
def test_a_network_of_ones_own_that_takes_grey_restores_grey_and_says_so_of_colours(
    tmp_path: Path, grey: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grey_net.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    own = {"prior": "module", "prior__target": "grey_net:Mean", "prior__channels": 1, "solver__nfe": 2, **GREY}
    assert invbench.restore("ddrm", grey, "denoise", **own).samples.shape == (1, 1, 24, 20)
    with pytest.raises(invbench.ConfigError, match="the prior takes grey pictures, and y has colours"):
        invbench.restore("ddrm", Image.new("RGB", (8, 8), (9, 0, 0)), "denoise", **own)


def test_an_error_inside_a_network_is_one_line(tmp_path: Path, grey: Image.Image) -> None:
    (tmp_path / "grey_net.py").write_text(NETWORKS)
    grey.save(tmp_path / "g.png")
    words = ["restore", "g.png", "task=denoise", "solver=ddrm", "sigma=0.1 [-1,1]", "to=x.png", "prior=module"]
    failed = called([*words, "prior.target=grey_net:Mean"], tmp_path)
    assert failed.returncode != 0
    assert failed.stderr.startswith("error: solver ddrm: RuntimeError: Given groups=1")
    assert len(failed.stderr.splitlines()) == 1
