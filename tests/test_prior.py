"""Every prior: its formulas, its shapes, and what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_networks import own_weights
from torch import Tensor

import invbench as ib
from invbench.meter import Meter
from invbench.prior import picture_channels
from invbench.priors.adm.own import AdmOwn
from invbench.priors.adm.sources import AdmFfhq256, AdmPhotos
from invbench.priors.own import ModulePrior


class Halves(ib.Prior):
    """Says that half of each image is noise."""

    x_shape = (1, 2, 2)
    abar = torch.tensor([0.9, 0.36], dtype=torch.float64)

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        return x_t / 2, None


def test_the_estimate_of_the_image_is_tweedies_by_a_step_for_all_or_one_for_each() -> None:
    x = torch.ones(2, 1, 2, 2, dtype=torch.float64)
    at = [(1 - (1 - abar) ** 0.5 / 2) / abar**0.5 for abar in (0.9, 0.36)]
    assert Halves().x0(x, 1).unique().item() == pytest.approx(at[1])
    assert Halves().x0(x, torch.tensor([0, 1]))[:, 0, 0, 0].tolist() == pytest.approx(at)


def test_behind_the_first_step_is_the_clean_image() -> None:
    prior = Halves()
    assert [prior.alpha_bar(t) for t in (-1, 0, 1)] == pytest.approx([1, 0.9, 0.36])
    x = torch.ones(1, 1, 2, 2)
    assert torch.equal(prior.to_x0(x, 9 * x, -1), x)
    prior.abar = torch.tensor([0.5])  # another table is read again
    assert prior.alpha_bar(0) == 0.5


def test_only_the_metered_copy_counts_and_another_shape_is_refused_before_the_network_is_called() -> None:
    prior, meter = Halves(), Meter()
    counted = prior.metered(meter)
    prior.eps(torch.zeros(3, 1, 2, 2), 0)
    counted.eps(torch.zeros(2, 1, 2, 2), 0)
    with pytest.raises(ib.UnsupportedProblem, match=r"expected x_t of shape \(B, \*\(1, 2, 2\)\); got \(1, 1, 2, 3\)"):
        counted.eps(torch.zeros(1, 1, 2, 3), 0)
    assert meter.forward == 2


def test_a_closed_form_has_no_student_and_says_what_would_be_one() -> None:
    with pytest.raises(ib.UnsupportedProblem, match=r"Halves has no network .*; define student\(\)"):
        Halves().student()


def test_priors_take_pictures_of_three_channels_but_for_grey_ones(tmp_path: Path) -> None:
    grey, two = (AdmOwn(weights=own_weights(tmp_path, channels)) for channels in (1, 2))
    assert [picture_channels(each) for each in (AdmPhotos(), AdmFfhq256(), ModulePrior(), grey, two)] == [3, 3, 3, 1, 3]
