"""Warnings of the commands: a line each, and each once."""

from __future__ import annotations

import warnings

import pytest

from invbench.messages import plain_warnings, without_colour


def test_a_warning_is_a_line_and_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_warnings():
        for text in ("one\ntwo", "other", "one\ntwo"):
            warnings.warn(text, stacklevel=1)
    assert capsys.readouterr() == ("", "warning: one\\ntwo\nwarning: other\n")
    with pytest.warns(UserWarning, match="afterwards"):
        warnings.warn("afterwards", stacklevel=1)


@pytest.mark.parametrize(("value", "plain"), [(None, False), ("", False), ("0", True)])
def test_no_color_counts_where_it_is_not_empty(value: str | None, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    assert without_colour() is plain
