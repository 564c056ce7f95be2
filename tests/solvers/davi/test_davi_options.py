"""Forms and options of DAVI, and the presets of the paper."""

from __future__ import annotations

from typing import Any

import pytest
from davi_parts import CATALOG, Davi

import invbench as ib
from invbench.settings import settings


@pytest.mark.parametrize(
    "option", [{"bridge": "brownian"}, {"output": "relu"}, {"perturbation": "falling"}, {"fill": "black"}]
)
def test_unknown_forms_are_refused_with_the_known_ones(option: dict[str, str]) -> None:
    with pytest.raises(ib.ConfigError, match=r"davi: unknown .* Available: "):
        Davi(**option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": 0.5}, "training.std needs training.posterior=gaussian"),
        ({"std": -1.0}, "training.std must not be negative"),
        ({"lr": -1.0}, "training.lr must not be negative"),
        ({"gamma": float("nan")}, "training.gamma must not be negative; got nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        Davi.options(**options)


def test_the_presets_are_those_of_table_12() -> None:
    values = settings(Davi.options, "imagenet256", "inpaint").values
    assert (values["T"], values["reg"], values["steps"], values["kept"]) == (400, 0.1, 189_000, 1.0)
    assert settings(Davi, "imagenet256", "inpaint").values == {"h": 0.01, "hole": 0.05}
    assert settings(Davi, "ffhq256", "deblur_ddrm_tiled").values == {"h": 0.1}
    assert settings(Davi.options, "ffhq256", "deblur_ddrm_tiled").values["T"] == 400
    for preset in ("ffhq256", "imagenet256"):
        for task in CATALOG.benchmark(preset).main_tasks:
            assert Davi.options(**settings(Davi.options, preset, task).values)
