"""Output to any encoding, and to where none can be written."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from command import called

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


def on_a_terminal(words: list[str], columns: int, cwd: Path, **env: str) -> str:
    """What a command prints on a terminal of so many columns, with nothing taken away."""
    import pty

    here, there = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **env}
    with subprocess.Popen(
        [sys.executable, "-m", "invbench.cli", *words], cwd=cwd, env=env, stdin=there, stdout=there, stderr=there
    ) as process:
        os.close(there)
        parts = []
        with suppress(OSError):  # the other end is closed
            while part := os.read(here, 65536):
                parts.append(part)
    os.close(here)
    assert process.returncode == 0, parts
    return b"".join(parts).decode()


STYLE = re.compile(r"\x1b\[[0-9;]*m")  # colour, bold and others


@pytest.mark.long
def test_tables_fit_the_terminal_unless_all_of_them_is_wanted(tmp_path: Path) -> None:
    words = ["table", "benchmark=photos", "task=sr4", "solver=ddrm,davi", "--out", "reference"]
    piped = called(words, tmp_path).stdout.splitlines()
    folded = on_a_terminal(words, 70, tmp_path, NO_COLOR="").splitlines()
    heads = [line for line in folded if line.startswith("solver ")]
    rows = [line for line in folded if line.startswith(("solver ", "davi ", "ddrm ", "---"))]
    assert max(map(len, rows)) <= 70
    wide_heads = [line for line in piped if line.startswith("solver ")]
    assert len(heads) > 2 * len(wide_heads)
    names, wide_names = (
        [n for line in each for n in re.split("  +", line.strip())[1:]] for each in (heads, wide_heads)
    )
    assert names == wide_names
    assert on_a_terminal([*words, "--wide"], 70, tmp_path, NO_COLOR="").splitlines() == piped


@pytest.mark.long
def test_what_lists_and_tunes_fits_the_terminal_too(tmp_path: Path) -> None:
    listed = on_a_terminal(["list", "prior"], 70, tmp_path, NO_COLOR="1").splitlines()
    assert max(map(len, listed)) <= 70
    assert " ".join(" ".join(listed).split()) == " ".join(called(["list", "prior"], tmp_path).stdout.split())
    tune = ["tune", "solver=ddrm", "benchmark=gmm2d", "task=denoise", "n=2", "solver.nfe=2,3", "solver.eta=1"]
    tuned = on_a_terminal(tune, 30, tmp_path, NO_COLOR="1").splitlines()
    table = [line for line in tuned if re.match(r"-+ |\d\S*  |eta", line)]
    assert len([line for line in table if line.startswith("---")]) > 1, "in blocks"
    assert max(map(len, table)) <= 30
    whole = on_a_terminal([*tune, "--wide"], 30, tmp_path, NO_COLOR="1").splitlines()
    assert len([line for line in whole if line.startswith("---")]) == 1


@pytest.mark.long
def test_no_colour_is_printed_where_none_is_wanted(tmp_path: Path) -> None:
    run = ["run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=2", "references=false", "overwrite=true"]
    for words in (["list", "task"], run):
        assert STYLE.search(on_a_terminal(words, 80, tmp_path, NO_COLOR="")), "an empty text is no wish"
        assert not STYLE.search(on_a_terminal(words, 80, tmp_path, NO_COLOR="1"))
