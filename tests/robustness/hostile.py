"""A distribution of hostile plugins: each solver does one thing that no solver should."""

from __future__ import annotations

from pathlib import Path

ENDS = {  # the process, or the call, ends in a way of its own
    "exit": "exit()",
    "sys_exit": "sys.exit(0)",
    "os_exit": "os._exit(0)",
    "os_exit_3": "os._exit(3)",
    "abort": "os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "generator_exit": "raise GeneratorExit",
    "keyboard_interrupt": "raise KeyboardInterrupt",
    "own_exception": "raise type('Mine', (BaseException,), {})('mine')",
    "zero_division": "1 / 0",
    "memory": "raise MemoryError",
    "recursion": "f = lambda: f(); f()",
    "assertion": "assert False, 'no'",
    "surrogate": "raise ValueError('a\\udce9b')",
    "stop_iteration": "raise StopIteration",
    "fork": "os.fork()",
    "fork_and_raise": "os.fork(); 1 / 0",
    "none": "return None",
    "text": "return 'x'",
    "wrong_shape": "return x[:1]",
    "nan": "return x * float('nan')",
    "complex": "return x + 1j",
}
STATES = {  # the call returns, and something is left behind
    "float64": "torch.set_default_dtype(torch.float64)",
    "float16": "torch.set_default_dtype(torch.float16)",
    "meta": "torch.set_default_device('meta')",
    "precision": "torch.set_float32_matmul_precision('medium')",
    "mkldnn": "torch.backends.mkldnn.enabled = False",
    "anomaly": "torch.autograd.set_detect_anomaly(True)",
    "grad": "torch.set_grad_enabled(True)",
    "inference": "torch.inference_mode().__enter__()",
    "no_grad": "torch.no_grad().__enter__()",
    "autocast": "torch.autocast('cpu', torch.bfloat16).__enter__()",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "threads": "torch.set_num_threads(2)",
    "seed": "torch.manual_seed(1)",
    "denormal": "torch.set_flush_denormal(True)",
    "randn": "torch.randn = None",
    "matmul": "torch.Tensor.__matmul__ = lambda a, b: a",
    "json": "import json; json.dumps = None",
    "recursion_limit": "sys.setrecursionlimit(60)",
    "environ": "os.environ.clear()",
    "chdir": "os.chdir('/')",
    "argv": "sys.argv.clear()",
    "path": "sys.path.clear()",
    "modules": "sys.modules.pop('invbench.store.writer', None)",
    "stdout": "sys.stdout = None",
    "stdout_closed": "os.close(1)",
    "stderr_closed": "os.close(2)",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "alarm": "signal.alarm(1)",
    "files": "globals()['kept'] = [open(os.devnull) for _ in range(500)]",
    "gc": "import gc; gc.disable()",
    "warnings": "import warnings; warnings.simplefilter('error')",
    "limit": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "thread": "import threading; threading.Thread(target=time.sleep, args=(60,)).start()",
    "sleeping_child": "import subprocess; subprocess.Popen(['sleep', '60'])",
    "y": "y.zero_()",
    "operator": "problem.A.s.mul_(2)",
    "mixture": "prior.mixture.means.mul_(0.3)",
    "abar": "prior.abar.mul_(0.5)",
    "rng": "rng.randn((100,))",
    "records": "[p.unlink() for p in __import__('pathlib').Path('.').rglob('*.jsonl')]",
}
MODULE = """
import os, signal, sys, time
from dataclasses import dataclass
from typing import ClassVar
import torch
from invbench import Solver, hookimpl

{classes}
@hookimpl
def invbench_register_solvers(): return [{names}]
"""
SOLVER = """
@dataclass(frozen=True)
class {name}(Solver):
    name: ClassVar[str] = "{name}"
    summary: ClassVar[str] = "hostile"
    def solve(self, y, problem, prior, state, rng, on_step=None):
        x = problem.A.pinv(y)
        {body}
        return x
"""


def distribution(site: Path, name: str, kind: str, source: str) -> None:
    """Install a module as a distribution with one entry point, in a folder for ``sys.path``."""
    information = site / f"{name}-0.1.dist-info"
    information.mkdir(parents=True)
    (site / f"{name}.py").write_text(source)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (information / "entry_points.txt").write_text(f"[invbench]\n{kind}_{name} = {name}\n")


def solvers(site: Path) -> None:
    """Install all hostile solvers."""
    bodies = {f"hostile_{name}": body for name, body in {**ENDS, **STATES, "hang": "time.sleep(10**6)"}.items()}
    classes = "".join(SOLVER.format(name=name, body=body) for name, body in bodies.items())
    distribution(site, "hostile_plugins", "solver", MODULE.format(classes=classes, names=", ".join(bodies)))
