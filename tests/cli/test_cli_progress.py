"""Progress where there is no terminal: a line for each batch, on the other stream."""

from __future__ import annotations

import pytest

from invbench.cli import progress


def test_without_a_bar_a_batch_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "progress_bar", lambda _: None)
    with progress.progress("photos/sr4/ddrm") as report:
        report(2, 4)
        report(4, 4)
    assert capsys.readouterr() == ("", "photos/sr4/ddrm: 2/4 images\nphotos/sr4/ddrm: 4/4 images\n")
