"""What restores: plugins by name with their presets, or objects of the user's own."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import invbench as ib
from invbench.api.parts import Parts, parts_of
from invbench.plugins import load_catalog


def parts(
    solver: str | ib.Solver = "ddrm", A: str | ib.Operator = "denoise", sigma: str | None = "0.1 [0,1]", **options: Any
) -> Parts:
    return parts_of(solver, A, sigma, options.pop("prior", "adm_photos"), "photos", options)


def test_names_have_their_options_and_the_level_of_the_noise() -> None:
    made = parts(solver__nfe=7)
    assert made.solver == load_catalog().get("solver", "ddrm")(nfe=7)
    assert made.sigma == pytest.approx(0.2), "on [-1,1]"
    problem = made.problem(made.operator((3, 64, 64)))
    assert (problem.dataset, problem.benchmark, problem.sigma_y) == ("own", "photos", made.sigma)
    assert "noise" not in problem.options


def test_an_operator_of_ones_own_is_for_its_shape_and_has_no_name_of_a_task() -> None:
    A = ib.Identity((3, 8, 8))
    made = parts(A=A)
    assert made.operator((3, 8, 8)) is A
    assert made.problem(A).task == "own"
    with pytest.raises(ib.ConfigError, match=r"for images of shape \(3, 8, 8\); this one has \(3, 8, 4\)"):
        made.operator((3, 8, 4))


@pytest.mark.parametrize(("shape", "channels"), [((1, 4, 4), 1), ((3, 4, 4), 3), ((2, 4, 4), 3)])
def test_a_prior_of_ones_own_takes_grey_where_it_has_one_channel(shape: ib.Shape, channels: int) -> None:
    prior = ib.prior_from(torch.nn.Identity(), shape, predicts="denoiser")
    made = parts(prior=prior)
    assert made.channels == channels
    assert made.prior(shape, torch.device("cpu")) is prior


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": None}, "solver ddrm needs the level of the noise: sigma='0.02"),
        ({"solver__nfe": [5, 10]}, "expected one value of each option; these make 2 jobs"),
        ({"track": "wandb"}, "unknown option of restore 'track'"),
        ({"task__noise": "poisson 1"}, "task__noise is given twice; give sigma, or the task's noise"),
        ({"solver": "ddrn"}, "unknown solver 'ddrn'; did you mean 'ddrm'"),
    ],
)
def test_what_restores_nothing_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.InvbenchError, match=message):
        parts(**arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"solver": ib.plugin("solver", "ddrm")}, "solver: expected a name or an object of Solver, got Ddrm"),
        ({"A": torch.abs}, "A: expected a name or an object of Operator, got abs; operator_from"),
        ({"prior": torch.nn.Conv2d(3, 3, 1)}, "prior: expected a name or an object of Prior, got Conv2d; prior_from"),
        ({"prior": ib.plugin("prior", "gmm")()}, "prior: expected a name or an object of Prior, got PatchPrior"),
    ],
)
def test_what_is_neither_a_name_nor_an_object_of_its_kind_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=re.compile(message, re.IGNORECASE)):
        parts(**given)


def test_a_level_that_the_noise_hides_is_assumed_or_not_known() -> None:
    hidden = {"sigma": None, "task__noise": "poisson 1"}
    assert parts("ddrm", assume="0.1 [-1,1]", **hidden).sigma == pytest.approx(0.1)
    assert parts("dps", **hidden).sigma is None
