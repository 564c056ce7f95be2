"""A network of one's own: its form is what is given or what the weights say, and anything else is a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from made_networks import draw, own_weights

from invbench import ConfigError, DataError, Dataset, InvbenchError, Rng, Training
from invbench.priors.adm.own import AdmOwn
from invbench.priors.adm.sources import AdmPhotos

SHIPPED = str(AdmPhotos()._path())


class Squares(Dataset):
    """Two grey images of 8 x 8."""

    name = "squares"
    x_shape = (1, 8, 8)

    def ids(self) -> list[str]:
        return ["a", "b"]

    def load(self, image_id: str) -> torch.Tensor:
        return Rng.single(image=image_id).rand(self.x_shape)[0].mul(2).sub(1)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("width", [16, 24])
def test_weights_are_loaded_without_their_form_being_given(tmp_path: Path, channels: int, width: int) -> None:
    source = AdmOwn(weights=own_weights(tmp_path, channels, width))
    prior = source.load((channels, 8, 12), "cpu")
    eps, v = prior.eps_and_v(draw(2, channels, 8, 12), 300)
    assert v is not None
    assert eps.shape == v.shape == (2, channels, 8, 12)
    assert eps.isfinite().all()
    assert prior.net.config == AdmOwn(channels=channels, width=width).config()
    cost = source.cost()
    assert cost is not None
    assert cost.x_shape == (channels, 64, 64)


def test_of_three_channels_and_the_usual_width_it_is_the_network_that_ships() -> None:
    assert AdmOwn(channels=3, width=32).config() == AdmPhotos.config()
    own, shipped = AdmOwn(SHIPPED, 3, 32).load((3, 16, 16), "cpu"), AdmPhotos().load((3, 16, 16), "cpu")
    x = draw(1, 3, 16, 16)
    assert torch.equal(own.eps(x, 100), shipped.eps(x, 100))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "prior.channels must be from 1 to 4; got 0"),
        ({"channels": 5}, "prior.channels must be from 1 to 4; got 5"),
        ({"width": 20}, "prior.width must be a multiple of 8, at least 16; got 20"),
        ({"width": 8}, "prior.width must be a multiple of 8, at least 16; got 8"),
        ({"width": -16}, "prior.width must be a multiple of 8"),
    ],
)
def test_a_network_that_cannot_be_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AdmOwn(**options)


@pytest.mark.parametrize(
    ("options", "x_shape", "message"),
    [
        ({"weights": ""}, (1, 8, 8), "prior=adm_own has no weights: train some with 'invbench train prior=adm_own"),
        ({"weights": "", "channels": 1, "width": 16}, (1, 8, 8), "prior=adm_own has no weights"),
        ({}, (3, 8, 8), r"takes 1-channel images; got 3x8x8. Read such images with dataset=arrays dataset.channels=1"),
        ({}, (1, 8, 6), "sides divisible by 4; got 1x8x6"),
        (
            {"channels": 3},
            (3, 8, 8),
            r"prior.channels=3, but the network in .* has channels=1; leave prior.channels out",
        ),
        ({"width": 32}, (1, 8, 8), r"prior.width=32, but the network in .* has width=16; leave prior.width out"),
        (
            {"weights": SHIPPED},
            (3, 8, 8),
            "does not say the channels of its network; give prior.channels and prior.width",
        ),
        ({"weights": SHIPPED, "channels": 3}, (3, 8, 8), "does not say the width of its network"),
        (
            {"weights": SHIPPED, "channels": 1, "width": 16},
            (1, 8, 8),
            "a network of width 32 for 3-channel images; expected width 16, 1-channel images; name other weights",
        ),
    ],
)
def test_weights_and_images_that_do_not_fit_are_a_line(
    tmp_path: Path, options: dict[str, Any], x_shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvbenchError, match=message):
        AdmOwn(**{"weights": own_weights(tmp_path), **options}).load(x_shape, "cpu")


@pytest.mark.parametrize("prior", [None, "adm_own", {"channels": "1", "width": 16.0}])
def test_a_card_that_says_no_form_is_none(tmp_path: Path, prior: object) -> None:
    path = own_weights(tmp_path, prior=prior)
    with pytest.raises(DataError, match="does not say the channels"):
        AdmOwn(weights=path).load((1, 8, 8), "cpu")
    assert AdmOwn(path, channels=1, width=16).load((1, 8, 8), "cpu").x_shape == (1, 8, 8)


def test_a_card_that_says_an_impossible_form_is_refused(tmp_path: Path) -> None:
    path = own_weights(tmp_path, prior={"channels": 9, "width": 16})
    with pytest.raises(ConfigError, match="prior.channels must be from 1 to 4; got 9"):
        AdmOwn(weights=path).load((9, 8, 8), "cpu")


def test_its_weights_are_refused_by_a_prior_of_another_form(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="width 16 for 1-channel images; .* or prior=adm_own, which these were trained"):
        AdmPhotos(weights=own_weights(tmp_path)).load((3, 8, 8), "cpu")


def test_a_solvers_weights_are_none_of_a_prior(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds weights of solver davi, not a prior's; name it as solver\.weights"):
        AdmOwn(weights=own_weights(tmp_path, solver={"name": "davi"})).load((1, 8, 8), "cpu")


def test_what_is_left_to_the_images_of_a_training_is_filled_in(tmp_path: Path) -> None:
    assert AdmOwn().for_images((2, 8, 8)) == AdmOwn(channels=2, width=32)
    assert AdmOwn(channels=1, width=48).for_images((2, 8, 8)) == AdmOwn(channels=1, width=48), "which is refused later"
    start = AdmOwn(weights=own_weights(tmp_path))
    assert start.for_images((1, 8, 8)) == AdmOwn(start.weights, channels=1, width=16)
    assert AdmPhotos().for_images((1, 8, 8)) == AdmPhotos()
    with pytest.raises(ConfigError, match="from 1 to 4; got 5"):
        AdmOwn().for_images((5, 8, 8))


def test_a_training_starts_from_random_weights_or_from_a_file(tmp_path: Path) -> None:
    """After one step at a learning rate of nearly 0 the weights are those it began with."""
    options = AdmOwn.options(steps=1, batch_size=2, crop=8, lr=1e-9, ema=0.0)
    source = AdmOwn(weights=own_weights(tmp_path))
    first = {}
    for name, each in (("fresh", AdmOwn(width=16)), ("started", source)):
        trained = each.fit(Training(tmp_path / name, {}, options, Squares()))
        first[name] = AdmOwn(str(trained), 1, 16).load((1, 8, 8), "cpu").net.state_dict()["input_blocks.0.0.weight"]
    began = source.load((1, 8, 8), "cpu").net.state_dict()["input_blocks.0.0.weight"]
    torch.testing.assert_close(first["started"], began, rtol=1e-3, atol=1e-5)  # kept in half precision
    assert not torch.allclose(first["fresh"], began, atol=0.01)
