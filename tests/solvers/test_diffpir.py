"""DiffPIR against the formula."""

from __future__ import annotations

import pytest
from dense import Case, agree, each_case
from references import slow_diffpir
from solving import make


@each_case
@pytest.mark.parametrize(("lam", "zeta"), [(1.75, 0.3), (7.0, 0.3), (1.0, 1.0), (2.0, 0.0)])
def test_diffpir_is_the_formula(case: Case, lam: float, zeta: float) -> None:
    agree(make("diffpir", nfe=10, lam=lam, zeta=zeta), case, slow_diffpir(case, lam, zeta))
