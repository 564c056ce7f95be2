"""The mixtures as named priors."""

from __future__ import annotations

import pytest

from invbench import ConfigError, GmmPrior, Shape
from invbench.priors.gmm_sources import PatchPrior, PlanePrior


@pytest.mark.parametrize(("source", "shape"), [(PatchPrior(), (3, 16, 16)), (PlanePrior(), (1, 1, 2))])
def test_a_mixture_is_for_its_own_shape(source: PatchPrior | PlanePrior, shape: Shape) -> None:
    prior = source.load(shape, "cpu")
    assert isinstance(prior, GmmPrior)
    assert prior.x_shape == shape
    with pytest.raises(ConfigError, match=rf"prior '{source.name}' is defined for images of shape .*; got \(3, 8, 8\)"):
        source.load((3, 8, 8), "cpu")


def test_the_fingerprint_is_of_the_recipe_and_never_changes() -> None:
    assert [source().fingerprint()[:12] for source in (PatchPrior, PlanePrior)] == ["b927b4b375e7", "61ae5c3fabc1"]
