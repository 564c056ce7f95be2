"""What a plugin changes is put back, and however it ends is an error of its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from invbench.errors import ConfigError, PluginError, SolverError
from invbench.guard import contained, described, preserved_state, printable, reason_of

_kept: list[Any] = []


def _entered(mode: Any) -> None:
    """Enter a mode that nobody leaves, as long as the test lasts."""
    mode.__enter__()
    _kept.append(mode)


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {  # what is looked at, and what changes it
    "default dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "default device": (lambda: torch.zeros(1).device, lambda: torch.set_default_device("meta")),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "inference mode": (torch.is_inference_mode_enabled, lambda: _entered(torch.inference_mode())),
    "autocast": (
        lambda: torch.is_autocast_enabled("cpu"),
        lambda: _entered(torch.autocast("cpu", torch.bfloat16)),
    ),
    "anomaly": (torch.is_anomaly_enabled, lambda: torch.autograd.set_detect_anomaly(True)),
    "determinism": (torch.are_deterministic_algorithms_enabled, lambda: torch.use_deterministic_algorithms(True)),
    "precision": (torch.get_float32_matmul_precision, lambda: torch.set_float32_matmul_precision("medium")),
    "oneDNN": (lambda: torch.backends.mkldnn.enabled, lambda: setattr(torch.backends.mkldnn, "enabled", False)),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "torch's generator": (lambda: torch.get_rng_state().tolist(), lambda: torch.manual_seed(7)),
    "numpy's generator": (lambda: np.random.get_state()[1].tolist(), lambda: np.random.seed(7)),
    "Python's generator": (random.getstate, lambda: random.seed(7)),
    "numpy's errors": (np.geterr, lambda: np.seterr(all="raise")),
    "folder": (os.getcwd, lambda: os.chdir("/")),
    "environment": (lambda: dict(os.environ), os.environ.clear),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 50)),
    "arguments": (lambda: sys.argv, lambda: setattr(sys, "argv", [])),
    "path": (lambda: list(sys.path), sys.path.clear),
    "standard output": (lambda: sys.stdout, lambda: setattr(sys, "stdout", None)),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("error")),
    "signals": (lambda: signal.getsignal(signal.SIGTERM), lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_put_back(name: str) -> None:
    look, change = CHANGES[name]
    before = look()
    with contained("a plugin"):
        change()
        assert look() != before, "the change is one"
    assert look() == before


@pytest.mark.parametrize("name", ["default dtype", "folder", "signals"])
def test_a_change_is_put_back_after_an_error(name: str) -> None:
    look, change = CHANGES[name]
    before = look()
    with pytest.raises(ZeroDivisionError), contained("a plugin"):
        change()
        raise ZeroDivisionError
    assert look() == before


def test_modules_may_set_up_what_they_do_on_import() -> None:
    with preserved_state(importing=True):
        os.environ["INVBENCH_TEST"] = "1"
        torch.set_default_dtype(torch.float64)
    assert os.environ.pop("INVBENCH_TEST") == "1"
    assert torch.get_default_dtype() == torch.float32


class Own(BaseException):
    """No ordinary exception."""


@pytest.mark.parametrize(
    ("error", "message"),
    [(SystemExit(0), r"called exit\(\)"), (GeneratorExit(), "raised GeneratorExit"), (Own(), "raised Own")],
)
def test_an_end_that_is_not_an_exception_becomes_one(error: BaseException, message: str) -> None:
    with pytest.raises(SolverError, match=f"^solver x {message}$"), contained("solver x"):
        raise error


def test_weights_are_cast_again_after_an_autocast_that_a_plugin_did_not_leave() -> None:
    net = torch.nn.Linear(4, 4)
    with contained("a plugin"):
        _entered(torch.autocast("cpu", torch.bfloat16))
    with torch.no_grad():
        x = torch.ones(1, 4)
        for scale in (1.0, 0.0):
            net.weight.mul_(scale)
            with torch.autocast("cpu", torch.bfloat16):
                y = net(x)
    assert torch.equal(y[0].float(), net.bias.to(torch.bfloat16).float())


def test_ordinary_exceptions_pass() -> None:
    with pytest.raises(ValueError, match="mine"), contained("solver x"):
        raise ValueError("mine")


def test_a_fork_is_reported_and_the_copy_ends() -> None:
    begin = os.getpid()
    with pytest.raises(SolverError, match="solver x forked the process"), contained("solver x"):
        os.fork()
    assert os.getpid() == begin, "the copy has not come this far"


def test_an_error_of_third_party_code_has_its_type_and_ours_does_not() -> None:
    with pytest.raises(PluginError, match=r"^task t: KeyError: 'k'$"), described("task t"):
        raise KeyError("k")
    with pytest.raises(ConfigError, match="^as it is$"), described("task t"):
        raise ConfigError("as it is")


def test_a_reason_can_be_printed_and_written() -> None:
    assert reason_of(ConfigError("ours")) == "ours"
    assert reason_of(ValueError("theirs")) == "ValueError: theirs"
    assert printable("a\udce9b") == r"a\udce9b"
    reason_of(ValueError("a\udce9b")).encode()


def test_calling_a_plugin_does_not_import_torchs_compiler() -> None:
    """Which takes a second, as long as torch itself."""
    code = (
        "import sys\n"
        "from invbench.guard import preserved_state\n"
        "for _ in range(2):\n"
        "    with preserved_state():\n"
        "        import torch\n"
        "print([name for name in ('torch._dynamo', 'torch._inductor') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"
