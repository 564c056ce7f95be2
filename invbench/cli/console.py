"""Standard output and error of the command line: any encoding, full disks and closed pipes, without tracebacks."""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from invbench.errors import one_line

WORDS = {"↑": "^", "↓": "v", "→": "->", "±": "+-", "×": "x", "…": "...", "–": "-", "’": "'"}  # noqa: RUF001
WIDE = "invbench.wide"  # in the metadata of a command: tables are not folded
ASCII = "ascii-plain"  # ASCII under a name that click does not take for a mistake, to write UTF-8 instead


def spelt_out(error: UnicodeError) -> tuple[str, int]:
    r"""Replacements for characters that a stream cannot encode: ``^`` for an arrow up, ``\xe9`` for an e acute."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(WORDS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in bad), error.end


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != ASCII:
        return None
    codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        codec.encode,
        codec.decode,
        codec.streamreader,
        codec.streamwriter,
        codec.incrementalencoder,
        codec.incrementaldecoder,
        name=ASCII,
    )


codecs.register_error("invbench", spelt_out)
codecs.register(_plain_ascii)


def prepare(*streams: Any) -> None:
    """Let the streams write any text; characters missing from their encoding are written as escapes."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            narrow = codecs.lookup(stream.encoding or "ascii").name == "ascii"
            stream.reconfigure(errors="invbench", **({"encoding": ASCII} if narrow else {}))


@contextmanager
def plain() -> Iterator[None]:
    """Run a command; if its output cannot be written, print one line on standard error and exit with status 1."""
    if sys.stdout is None:
        fail("standard output is closed; redirect it to a file or to /dev/null", 1)
    prepare(sys.stdout, sys.stderr)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        _abandon(sys.stdout)
        if error.errno == errno.EPIPE:  # the reader has read enough
            sys.exit(1)
        where = f"{error.filename}: " if error.filename else "cannot write the output: "
        fail(f"{where}{error.strerror or error}", 1)


def terminal_width() -> int | None:
    """The width in characters if standard output is a terminal; None if it is a pipe or a file, or with --wide."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(WIDE):
        return None
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def folded(head: str, text: str) -> str:
    """Head and text in a line, broken between words of the text, below its first, where the terminal is narrower."""
    width = terminal_width() or sys.maxsize
    lines = textwrap.wrap(text, max(width - len(head), 20), break_long_words=False, break_on_hyphens=False)
    return head + "\n".ljust(len(head) + 1).join(lines)


def fail(message: str, status: int) -> NoReturn:
    """Print what is wrong in one line, and exit."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"error: {one_line(message)}\n")
            sys.stderr.flush()
    sys.exit(status)


def _abandon(stream: Any) -> None:
    """Discard the stream's buffer, so that Python does not fail on it at exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def refuse_twice(command: click.Command, parent: click.Context, args: list[str]) -> None:
    """Raise UsageError for an option that is given twice: one of its values would be lost."""
    ctx = click.Context(command, parent=parent, info_name=command.name, **command.context_settings)
    _, _, order = command.make_parser(ctx).parse_args(list(args))
    valued = [p for p in order if isinstance(p, click.Option) and not p.is_flag and not p.multiple]
    if twice := next((p for p in valued if valued.count(p) > 1), None):
        raise click.UsageError(f"{twice.opts[0]} is given twice; give it once", ctx)
