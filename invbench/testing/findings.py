"""The findings of checks, and how a check is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Check = Callable[[Any], str]  # takes the subject; returns a sentence if it passes, raises Fault or NotApplicable


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; the sentence says what was expected, what came and, for a failure, what to do."""

    check: str
    status: Literal["pass", "fail", "n/a"]
    sentence: str


class Fault(AssertionError):
    """A plugin that breaks a law."""


class NotApplicable(Exception):
    """A check that does not apply to this plugin, with the reason."""


def expect(holds: bool, message: str) -> None:
    """Raise Fault with the message unless the law holds."""
    if not holds:
        raise Fault(message)


def claimed(plugin: type[Any], precision: str) -> None:
    """Raise NotApplicable unless a solver or a task claims a precision."""
    if precision not in plugin.precisions:
        raise NotApplicable(f"claims {', '.join(plugin.precisions)} alone")


def judge(name: str, check: Check, subject: Callable[[], Any]) -> Finding:
    """Run a check on the result of ``subject``; any exception becomes a finding."""
    try:
        return Finding(name, "pass", check(subject()))
    except NotApplicable as reason:
        return Finding(name, "n/a", str(reason))
    except Fault as fault:
        return Finding(name, "fail", str(fault))
    except (Exception, SystemExit) as error:  # a plugin may fail in any way; the other checks must still run
        came = " ".join(f"{type(error).__name__}: {error}".split())
        advice = "'pytest --pyargs invbench.testing -k NAME' shows the traceback"
        return Finding(name, "fail", f"expected no exception; got {came}; {advice}")
