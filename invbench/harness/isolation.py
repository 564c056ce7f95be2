"""Calls in a separate process, which may exit, crash or hang without affecting this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from invbench import errors
from invbench.errors import InvbenchError

Event = tuple[str, Any]  # kind of event, and its content
Send = Callable[[str, Any], None]
OnEvent = Callable[[str, Any], None]
_leave = os._exit  # the original, since plugins may replace it
_starting = threading.Lock()
GRACE = 30.0  # seconds that an interrupted process has to finish
PRELOADED = ["invbench.cli.compute", "invbench.harness.here"]


class Ended(Exception):
    """The process ended without a result; the message says how."""


class Stop:
    """Ctrl-C for calls in other threads, which do not receive the user's."""

    def __enter__(self) -> Self:
        self.pressed, self._button = multiprocessing.Pipe(duplex=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._button.close()
        self.pressed.close()

    def now(self) -> None:
        """Make each call interrupt its process, wait for it, and raise KeyboardInterrupt."""
        self._button.close()


def apart(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    on_event: OnEvent,
    seconds: float = 0.0,
    stop: Stop | None = None,
) -> Any:
    """The result of ``function(send, *arguments)`` in another process; events that it sends go to ``on_event``.

    Function, arguments, events and result are pickled. ``seconds`` is a time limit; 0 means none. Raises Ended if the
    process dies or takes longer, the InvbenchError that the function raises, and KeyboardInterrupt at a ``stop``. May
    be called in several threads at once.
    """
    context: Any = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe()
    watched, alive = context.Pipe(duplex=False)  # closed if we die: then the process ends too
    process = context.Process(target=_child, args=(theirs, watched, dict(os.environ), function, arguments))
    with _starting, _no_main(), _known_start():
        process.start()
    theirs.close()
    watched.close()
    try:
        return _follow(process, ours, on_event, seconds, stop)
    except KeyboardInterrupt:
        _interrupt(process, ours, on_event)
        raise
    finally:
        _kill(process)
        alive.close()
        ours.close()


def _follow(process: Any, ours: Connection, on_event: OnEvent, seconds: float, stop: Stop | None = None) -> Any:
    """Handle events until there is a result, the process has died or its time is up."""
    until = time.monotonic() + seconds
    stops = [stop.pressed] if stop else []
    while True:
        left = max(0.0, until - time.monotonic()) if seconds else None
        ready = wait([ours, process.sentinel, *stops], left)
        _check_time(ready, stops, seconds)
        try:
            if ours not in ready and not ours.poll(0.2):
                raise EOFError
            kind, content = ours.recv()
        except (EOFError, ConnectionResetError):
            process.join(5)
            raise Ended(_how(process.exitcode)) from None
        if kind == "result":
            return content
        if kind == "error":
            name, text = content
            raise getattr(errors, name, InvbenchError)(text)
        if kind == "broke":
            raise Ended(content)
        on_event(kind, content)


def _check_time(ready: Sequence[Any], stops: Sequence[Connection], seconds: float) -> None:
    """Raise the error of a timeout or a stop, if there is one."""
    if not ready:
        raise Ended(f"took longer than timeout={seconds:g} seconds")
    if any(stop in ready for stop in stops):
        raise KeyboardInterrupt


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return f"ended the process (exit status {code})"
    with suppress(ValueError):
        return f"crashed: the process was killed by {signal.Signals(-code).name}"
    return f"crashed: the process was killed by signal {-code}"


def _interrupt(process: Any, ours: Connection, on_event: OnEvent) -> None:
    """Pass Ctrl-C on, and wait until the process has saved its work."""
    with suppress(OSError):
        os.kill(process.pid, signal.SIGINT)
    with suppress(Ended, InvbenchError, KeyboardInterrupt):
        _follow(process, ours, on_event, GRACE)


def _kill(process: Any) -> None:
    """End the process and those that it started."""
    with suppress(OSError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError, ValueError):
        process.kill()
    process.join(5)


@contextmanager
def _no_main() -> Iterator[None]:
    """Start a process that does not import this one's main script, which may have side effects."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _known_start() -> Iterator[None]:
    """Use multiprocessing's usual settings for starting processes, whatever the launcher of this process changed."""
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(method, force=True)


def _child(
    theirs: Connection,
    watched: Connection,
    environment: dict[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """The life of the other process."""
    pid = os.getpid()
    with suppress(OSError, AttributeError):
        os.setsid()
    threading.Thread(target=_die_with, args=(watched,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)

    def send(kind: str, content: Any) -> None:
        if os.getpid() == pid:
            theirs.send((kind, content))

    try:
        send("result", function(send, *arguments))
    except InvbenchError as error:
        send("error", (type(error).__name__, str(error)))
    except KeyboardInterrupt:
        pass
    except BaseException as error:
        send("broke", f"broke what it runs in: {type(error).__name__}: {error}")
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    _leave(0)  # even if a plugin has left threads running


def _die_with(watched: Connection) -> None:
    """End with the process that started this one."""
    with suppress(EOFError, OSError):
        watched.recv()
    with suppress(OSError, AttributeError):
        os.killpg(os.getpid(), signal.SIGKILL)
    _leave(1)
