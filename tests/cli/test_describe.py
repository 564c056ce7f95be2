"""What 'invbench info' says of plugins of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from invbench import Arithmetic, ModulePrior, Prior, PriorSource, Shape
from invbench.cli.describe import description, summary
from invbench.plugins import Plugin


@dataclass(frozen=True)
class Theirs(PriorSource):
    """A network of somebody else's."""

    name: ClassVar[str] = "theirs"

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return "0" * 64

    def cost(self, x_shape: Shape | None = None) -> Arithmetic:
        return Arithmetic(x_shape or (3, 8, 8), parameters=1234567, macs=2_500_000_000, fvcore=2_600_000_000)


def test_the_cost_of_a_third_party_s_network_is_shown() -> None:
    text = description(Plugin("prior", "theirs", Theirs, "their-priors", "1.0"))
    assert "parameters: 1,234,567" in text
    assert "one evaluation at 3x8x8:" in text
    assert "2.500 GMAC" in text
    assert "5.000 GFLOP" in text


class Closed(Theirs):
    def cost(self, x_shape: Shape | None = None) -> Arithmetic | None:  # type: ignore[override]
        return None


def test_a_prior_without_a_network_has_no_cost() -> None:
    assert "parameters" not in description(Plugin("prior", "theirs", Closed, "their-priors", "1.0"))


def test_a_plugin_without_a_summary_is_listed_by_the_first_line_of_its_docstring() -> None:
    assert summary(Theirs) == "A network of somebody else's."
    assert summary(ModulePrior) == ModulePrior.summary

    @dataclass(frozen=True)
    class Own(ModulePrior):
        """Mine.

        More of it.
        """

    @dataclass(frozen=True)
    class Silent(Theirs):
        size: int = 3

    assert (summary(Own), summary(Silent)) == ("Mine.", "")


def test_an_option_that_is_made_anew_is_shown_as_it_is_made() -> None:
    assert "  prior.arguments={}" in description(Plugin("prior", "module", ModulePrior, "invbench", "1.0")).splitlines()
