"""Docstrings as Markdown: examples as blocks of code, roles of Sphinx as code."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^\S.*\n?)*)+", re.MULTILINE)
ROLE = re.compile(r":(?:func|class|meth|mod|data):`~?(?:[\w.]+\.)?(\w+)`")


def readable(text: str) -> str:
    """A docstring with its examples fenced and its roles as code.

    >>> readable(":func:`~invbench.api.run` is\\n\\n>>> 1 + 1\\n2")
    '`run` is\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```\\n'
    """
    return EXAMPLE.sub(lambda m: f"```pycon\n{m[0].rstrip()}\n```\n", ROLE.sub(r"`\1`", text))


class Readable(griffe.Extension):
    """Rewrites every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
