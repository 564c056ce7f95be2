"""Calls into plugins: changes to the process are undone, and every abnormal end becomes an error of the plugin.

Does not import torch: commands that compute nothing do without it.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, NoReturn

from invbench.errors import InvbenchError, PluginError, SolverError
from invbench.interrupts import pressed

Restore = Callable[[], Any]
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name))
_forks = [0]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=lambda: _forks.__setitem__(0, _forks[0] + 1))


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Call a plugin in the body; ``what`` names it in messages.

    Raises SolverError if it exits, forks, or raises anything but an ordinary exception; ordinary ones pass. The state
    of torch, numpy and the process is restored.
    """
    pid, forks = os.getpid(), _forks[0]
    with preserved_state():
        try:
            with _same_mode():
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


@contextmanager
def described(what: str) -> Iterator[None]:
    """Call a plugin in the body. Raises PluginError, beginning with ``what``, if it fails with an error of its own."""
    try:
        with contained(what):
            yield
    except InvbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{what}: {reason_of(error)}") from error


def _same_mode() -> AbstractContextManager[Any]:
    """Leave every torch mode that a plugin entered and did not leave."""
    torch = sys.modules.get("torch")
    return torch.inference_mode(torch.is_inference_mode_enabled()) if torch else nullcontext()


def _end_copies(pid: int) -> None:
    """End a copy of the process that a plugin forked: it must not keep running beside the process."""
    if os.getpid() != pid:
        os._exit(1)


@contextmanager
def preserved_state(*, importing: bool = False) -> Iterator[None]:
    """Restore afterwards what a plugin may have changed in torch, numpy and the process.

    ``importing`` keeps what modules legitimately set on import: warnings, the environment, the module path.
    """
    saves = [_exits, _torch, _streams, _signals]
    saves += [] if importing else [_generators, _process]
    restores = [save() for save in saves]
    try:
        yield
    finally:
        for restore in restores:
            restore()


def _exits() -> Restore:
    """Turn ``os._exit`` into an exception; forked copies of the process may still call it."""
    pid, leave = os.getpid(), os._exit

    def refused(status: int) -> NoReturn:
        if os.getpid() != pid:
            leave(status)
        raise SystemExit(status)

    os._exit = refused
    return lambda: setattr(os, "_exit", leave)


def _torch() -> Restore:
    """Default dtype and device, gradients, autocast, anomaly detection, deterministic algorithms, threads, kernels."""
    torch = sys.modules.get("torch")
    if torch is None:
        return _fresh_torch
    parts = (_defaults, _gradients, _algorithms, _autocast, _kernels)
    restores = [part(torch) for part in parts]

    def restore() -> None:
        for each in restores:
            each()

    return restore


def _defaults(torch: Any) -> Restore:
    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    generator = torch.get_rng_state()

    def restore() -> None:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_flush_denormal(False)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_rng_state(generator)

    return restore


def _gradients(torch: Any) -> Restore:
    grad, anomaly = torch.is_grad_enabled(), (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())

    def restore() -> None:
        torch.set_grad_enabled(grad)
        torch.autograd.set_detect_anomaly(*anomaly)

    return restore


def _algorithms(torch: Any) -> Restore:
    strict = _strictness(torch)

    def restore() -> None:
        if _strictness(torch) != strict:  # the setter imports torch's compiler, which takes longer than torch itself
            torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])

    return restore


def _strictness(torch: Any) -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _autocast(torch: Any) -> Restore:
    cast, nesting = {kind: torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")}, _nesting(torch)

    def restore() -> None:
        for kind, on in cast.items():
            torch.set_autocast_enabled(kind, on)
        while _nesting(torch) > nesting:  # else weights cached by autocast would outlive their next change
            torch.autocast_decrement_nesting()
            torch.clear_autocast_cache()

    return restore


def _kernels(torch: Any) -> Restore:
    precision, mkldnn, cudnn = torch.get_float32_matmul_precision(), torch.backends.mkldnn, torch.backends.cudnn
    flags = [(mkldnn, "enabled"), *((cudnn, f) for f in ("enabled", "benchmark", "deterministic", "allow_tf32"))]
    saved = [(owner, name, getattr(owner, name)) for owner, name in flags]

    def restore() -> None:
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
        for owner, name, value in saved:
            if getattr(owner, name) != value:
                setattr(owner, name, value)

    return restore


def _nesting(torch: Any) -> int:
    """How many autocast contexts are active."""
    torch.autocast_increment_nesting()
    return int(torch.autocast_decrement_nesting())


def _fresh_torch() -> None:
    """The state of torch directly after import, in case a plugin imported it first."""
    if torch := sys.modules.get("torch"):
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        if torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("highest")
        torch.set_flush_denormal(False)


def _generators() -> Restore:
    """The global random generators of numpy and Python, from which nothing here draws, and numpy's error handling."""
    numpy, state = sys.modules.get("numpy"), random.getstate()
    of_numpy = (numpy.random.get_state(), numpy.geterr()) if numpy else None

    def restore() -> None:
        random.setstate(state)
        if numpy and of_numpy:
            numpy.random.set_state(of_numpy[0])
            numpy.seterr(**of_numpy[1])

    return restore


def _streams() -> Restore:
    """Working directory, depth of recursion, standard streams."""
    folder, recursion, streams = _folder(), sys.getrecursionlimit(), (sys.stdout, sys.stderr, sys.stdin)

    def restore() -> None:
        sys.setrecursionlimit(recursion)
        sys.stdout, sys.stderr, sys.stdin = streams
        if folder and _folder() != folder:
            with suppress(OSError):
                os.chdir(folder)

    return restore


def _process() -> Restore:
    """Environment, arguments, warnings, garbage collection."""
    environment, arguments, path = dict(os.environ), sys.argv, sys.path[:]
    filters, show_warning, collecting = warnings.filters[:], warnings.showwarning, gc.isenabled()

    def restore() -> None:
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        sys.argv, sys.path[:] = arguments, path
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
        warnings.showwarning = show_warning
        (gc.enable if collecting else gc.disable)()

    return restore


def _signals() -> Restore:
    """The handlers of Ctrl-C, termination and alarm signals."""
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
    """An error as one line: our own errors by their message, others with their type. Safe to print and to write."""
    return printable(str(error) if isinstance(error, InvbenchError) else f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """The text without lone surrogates, which neither files nor terminals accept."""
    return text.encode("utf-8", "backslashreplace").decode()
