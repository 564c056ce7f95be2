"""Ctrl-C of the user, told from a plugin that raises KeyboardInterrupt. No torch."""

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
    """Note Ctrl-C in the body, where Python handles it and this is the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def note(number: int, frame: Any) -> None:
        _pressed.set()
        raise KeyboardInterrupt

    _pressed.clear()
    _noting.append(True)
    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _noting.pop()


def pressed() -> bool:
    """Whether a KeyboardInterrupt is the user's; it is taken for his where nothing is noted."""
    return _pressed.is_set() or not _noting
