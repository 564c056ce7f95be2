"""No folder of data but a test's own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVBENCH_DATA", raising=False)
