"""MCG against the formula, with measurements diffused by either noise."""

from __future__ import annotations

from dense import Case, agree, each_case
from references import slow_dps
from solving import make


@each_case
def test_mcg_is_the_formula(case: Case) -> None:
    clipped: list[int] = []
    agree(make("mcg", nfe=12, zeta=0.003), case, slow_dps(case, 12, 0.003, project=True, clipped=clipped))
    assert any(clipped), "otherwise the clamp is not tried"


@each_case
def test_mcg_can_match_the_noise_of_a_diffused_measurement(case: Case) -> None:
    slow = slow_dps(case, 12, 0.003, project=True, matched=True)
    agree(make("mcg", nfe=12, zeta=0.003, matched=True), case, slow)
