"""A call in a process of its own, which may exit, crash or hang without taking this one along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from invbench import errors
from invbench.errors import InvbenchError

Event = tuple[str, Any]  # what it is, and its content
Send = Callable[[str, Any], None]
OnEvent = Callable[[str, Any], None]
_leave = os._exit  # as it is outside of plugins
GRACE = 30.0  # seconds that an interrupted process has to say goodbye
PRELOADED = ["invbench.cli.compute", "invbench.run.runner"]


class Ended(Exception):
    """The process ended without a result; the text says how."""


def apart(function: Callable[..., Any], arguments: tuple[Any, ...], on_event: OnEvent, seconds: float = 0.0) -> Any:
    """What ``function(send, *arguments)`` returns, called in another process; what it sends goes to ``on_event``.

    Function, arguments, events and result are pickled. ``seconds`` is the time it may take; 0 is any. Raises Ended
    where the process dies or takes longer, and the InvbenchError that the function raises.
    """
    context: Any = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    if sys.platform != "win32":
        context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe()
    watched, alive = context.Pipe(duplex=False)  # closed by our death: then the process ends, too
    process = context.Process(target=_child, args=(theirs, watched, dict(os.environ), function, arguments))
    with _no_main():
        process.start()
    theirs.close()
    watched.close()
    try:
        return _follow(process, ours, on_event, seconds)
    except KeyboardInterrupt:
        _interrupt(process, ours, on_event)
        raise
    finally:
        _kill(process)
        alive.close()
        ours.close()


def _follow(process: Any, ours: Connection, on_event: OnEvent, seconds: float) -> Any:
    """Handle events until there is a result, the process is dead or its time is up."""
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic()) if seconds else None
        ready = wait([ours, process.sentinel], left)
        if not ready:
            raise Ended(f"took longer than timeout={seconds:g} seconds")
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


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return f"ended the process (exit status {code})"
    with suppress(ValueError):
        return f"crashed: the process was killed by {signal.Signals(-code).name}"
    return f"crashed: the process was killed by signal {-code}"


def _interrupt(process: Any, ours: Connection, on_event: OnEvent) -> None:
    """Pass Ctrl-C on, and wait until the process has put down what it has."""
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
    """Start a process that does not import this one's script, which may do things when it is imported."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


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
    _leave(0)  # whatever threads a plugin has left


def _die_with(watched: Connection) -> None:
    """End with the process that started this one."""
    with suppress(EOFError, OSError):
        watched.recv()
    with suppress(OSError, AttributeError):
        os.killpg(os.getpid(), signal.SIGKILL)
    _leave(1)
