"""Ctrl-C of the user and SIGTERM of batch systems, as distinct from a plugin that raises KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_pressed = threading.Event()
_noting: list[bool] = []


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """Note Ctrl-C and SIGTERM in the body, where Python handles it and this is the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    numbers = [signal.SIGINT]
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # what batch systems send
        numbers.append(signal.SIGTERM)

    def note(number: int, frame: Any) -> None:
        _pressed.set()
        raise KeyboardInterrupt

    _pressed.clear()
    _noting.append(True)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _noting.pop()


def pressed() -> bool:
    """Whether a KeyboardInterrupt comes from the user; assumed where signals are not observed."""
    return _pressed.is_set() or not _noting


@contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """A list to which Ctrl-C and SIGTERM are appended instead of interrupting; a second Ctrl-C interrupts."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield caught
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
