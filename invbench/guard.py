"""Calls into plugins: what they change of the process is put back, and however they end is an error of theirs."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch

from invbench.errors import InvbenchError, SolverError

Restore = Callable[[], Any]
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name))
_ctrl_c = threading.Event()
_forks = [0]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=lambda: _forks.__setitem__(0, _forks[0] + 1))


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Call a plugin in the body; ``what`` names it in messages.

    Raises SolverError where it exits, forks, or ends in any way that is no ordinary exception; those pass. The state
    of torch, numpy and the process is what it was before.
    """
    pid, forks = os.getpid(), _forks[0]
    with preserved_state():
        try:
            with torch.inference_mode(torch.is_inference_mode_enabled()):
                yield
        except Exception:
            _end_copies(pid)
            raise
        except BaseException as error:
            _end_copies(pid)
            if isinstance(error, KeyboardInterrupt) and pressed():
                raise
            how = "called exit()" if isinstance(error, SystemExit) else f"raised {type(error).__name__}"
            raise SolverError(f"{what} {how}") from error
    _end_copies(pid)
    if _forks[0] != forks:
        raise SolverError(f"{what} forked the process; start others with subprocess, or with multiprocessing's spawn")


def _end_copies(pid: int) -> None:
    """A copy of the process that a plugin forked must not go on beside it."""
    if os.getpid() != pid:
        os._exit(1)


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """Tell Ctrl-C from a plugin that raises KeyboardInterrupt, in the body."""
    _ctrl_c.clear()

    def note(number: int, frame: Any) -> None:
        _ctrl_c.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or not _python_handles(signal.SIGINT):
        yield
        return
    before = signal.signal(signal.SIGINT, note)
    note_installed.append(note)
    try:
        yield
    finally:
        note_installed.remove(note)
        signal.signal(signal.SIGINT, before)


note_installed: list[Any] = []


def pressed() -> bool:
    """Whether a KeyboardInterrupt is the user's; taken for his where nothing is noted."""
    return _ctrl_c.is_set() or not note_installed


def _python_handles(number: int) -> bool:
    return signal.getsignal(number) is signal.default_int_handler


@contextmanager
def preserved_state() -> Iterator[None]:
    """Put back afterwards what a plugin may have changed of torch, numpy and the process."""
    restores = [save() for save in (_torch, _backends, _generators, _process, _signals)]
    try:
        yield
    finally:
        for restore in restores:
            restore()


def _torch() -> Restore:
    """Default dtype and device, gradients, autocast, anomaly detection, deterministic algorithms, threads."""
    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    grad, anomaly = torch.is_grad_enabled(), (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    strict = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cast = {kind: torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")}

    def restore() -> None:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_grad_enabled(grad)
        torch.autograd.set_detect_anomaly(*anomaly)
        torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
        for kind, on in cast.items():
            torch.set_autocast_enabled(kind, on)
        torch.set_flush_denormal(False)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return restore


def _backends() -> Restore:
    """Precision of matrix products, and which kernels are allowed."""
    precision, mkldnn, cudnn = torch.get_float32_matmul_precision(), torch.backends.mkldnn, torch.backends.cudnn
    flags = [(cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")]
    saved = [(mkldnn, "enabled", mkldnn.enabled), *((owner, name, getattr(owner, name)) for owner, name in flags)]

    def restore() -> None:
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
        for owner, name, value in saved:
            if getattr(owner, name) != value:
                setattr(owner, name, value)

    return restore


def _generators() -> Restore:
    """The global random generators, which nothing here draws from."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()

    def restore() -> None:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])

    return restore


def _process() -> Restore:
    """Working directory, environment, limits, standard streams, warnings."""
    folder, environment, recursion = _folder(), dict(os.environ), sys.getrecursionlimit()
    streams = sys.stdout, sys.stderr, sys.stdin, sys.argv, sys.path[:]
    filters, shown, numpy_errors, collecting = warnings.filters[:], warnings.showwarning, np.geterr(), gc.isenabled()

    def restore() -> None:
        sys.setrecursionlimit(recursion)
        if folder and _folder() != folder:
            with suppress(OSError):
                os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        sys.stdout, sys.stderr, sys.stdin, sys.argv, sys.path[:] = streams
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
        warnings.showwarning = shown
        np.seterr(**numpy_errors)
        (gc.enable if collecting else gc.disable)()

    return restore


def _signals() -> Restore:
    """What Ctrl-C, a termination and an alarm do."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return restore


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def reason_of(error: BaseException) -> str:
    """An error in a line: our own by their message, others by their type too. Safe to print and to write."""
    return printable(str(error) if isinstance(error, InvbenchError) else f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """The text without what no file or terminal takes: halves of characters, as of names that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
