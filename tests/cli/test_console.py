"""Output to any encoding, and to where none can be written."""

from __future__ import annotations

import errno
import io
from typing import Any

import click
import pytest

from invbench.cli import console


class Full(io.RawIOBase):
    """A disk without space."""

    def __init__(self, code: int) -> None:
        self.code = code

    def writable(self) -> bool:
        return True

    def write(self, _: Any) -> int:
        raise OSError(self.code, "No space left on device")


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        ("utf-8", "↑ ± é 漢 \\udce9".encode()),
        ("cp1252", b"^ \xb1 \xe9 \\u6f22 \\udce9"),
        ("latin-1", b"^ \xb1 \xe9 \\u6f22 \\udce9"),
        ("ascii", b"^ +- \\xe9 \\u6f22 \\udce9"),
    ],
)
def test_what_a_stream_cannot_encode_is_spelt_out(encoding: str, encoded: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console.prepare(stream)
    click.echo("↑ ± é 漢 \udce9", file=stream, nl=False)
    stream.flush()
    assert raw.getvalue() == encoded


def test_objects_that_are_not_streams_are_left_alone() -> None:
    console.prepare(object(), None)


def test_a_decoding_error_stays_one() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", errors="invbench")


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "error: cannot write the output: No space left on device\n"), (errno.EPIPE, "")],
)
def test_a_full_disk_is_one_line_and_a_closed_pipe_is_silent(
    code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = io.StringIO()
    monkeypatch.setattr("sys.stderr", error)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(Full(code))))
    with pytest.raises(SystemExit) as caught, console.plain():
        click.echo("text")
    assert caught.value.code == 1
    assert error.getvalue() == message


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = io.StringIO()
    monkeypatch.setattr("sys.stderr", error)
    monkeypatch.setattr("sys.stdout", io.StringIO())  # else the file that pytest captures output in would be cut off
    with pytest.raises(SystemExit), console.plain():
        raise PermissionError(errno.EACCES, "Permission denied", "a\nfile")
    assert error.getvalue() == "error: a\\nfile: Permission denied\n"


def test_a_closed_output_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = io.StringIO()
    monkeypatch.setattr("sys.stderr", error)
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SystemExit), console.plain():
        raise AssertionError("nothing is run")
    assert error.getvalue().startswith("error: standard output is closed")
