"""A call in a process of its own: what it returns, tells and raises arrives; how it dies is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from invbench.errors import ConfigError
from invbench.harness import isolation
from invbench.harness.isolation import Ended, apart

pytestmark = pytest.mark.long


def ignore(kind: str, content: Any) -> None:
    pass


def test_a_result_and_events_arrive() -> None:
    heard: list[tuple[str, Any]] = []
    assert apart(add, (1, 2), lambda kind, content: heard.append((kind, content))) == 3
    assert heard == [("progress", 1), ("progress", 2)]


def test_our_errors_arrive() -> None:
    with pytest.raises(ConfigError, match="^expected more than 3$"):
        apart(refuse, (3,), ignore)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("os._exit(0)", r"ended the process \(exit status 0\)"),
        ("os._exit(7)", r"ended the process \(exit status 7\)"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("os.abort()", "killed by SIGABRT"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_the_death_of_a_process_is_reported(how: str, message: str) -> None:
    with pytest.raises(Ended, match=message):
        apart(execute, (how,), ignore)


def test_what_takes_too_long_is_ended_with_what_it_started() -> None:
    heard: list[int] = []
    begin = time.monotonic()
    with pytest.raises(Ended, match="took longer than timeout=2 seconds"):
        apart(start_and_sleep, (), lambda kind, content: heard.append(content), seconds=2)
    assert time.monotonic() - begin < 20
    (child,) = heard
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail("the process that it started lives on")


def test_an_interrupt_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "said"
    timer = threading.Timer(3.0, lambda: os.kill(os.getpid(), signal.SIGINT))

    def began(kind: str, content: Any) -> None:
        timer.start()

    with pytest.raises(KeyboardInterrupt):
        apart(put_down, (str(file),), began)
    assert file.read_text() == "goodbye"


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    """Of a notebook or a script that calls us at its top level, the other process imports nothing."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\nprint('top')\n"
        "from test_isolation import add, ignore\nfrom invbench.harness.isolation import apart\n"
        "print(apart(add, (1, 2), ignore))\n"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, script, here], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["top", "3"]


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom test_isolation import start_and_sleep\n"
        "from invbench.harness.isolation import apart\n"
        "apart(start_and_sleep, (), lambda kind, content: print(content, flush=True))\n"
    )
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait(timeout=30)
    for _ in range(200):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.05)
    pytest.fail("it lives on")


def test_how_a_process_ended_is_in_words() -> None:
    assert isolation._how(None) == "ended the process (exit status None)"
    assert isolation._how(-signal.SIGSEGV) == "crashed: the process was killed by SIGSEGV"
    assert isolation._how(-250) == "crashed: the process was killed by signal 250"


def add(send: isolation.Send, a: int, b: int) -> int:
    send("progress", a)
    send("progress", b)
    return a + b


def refuse(send: isolation.Send, least: int) -> None:
    raise ConfigError(f"expected more than {least}")


def execute(send: isolation.Send, code: str) -> None:
    exec(code, {"os": os})


def start_and_sleep(send: isolation.Send) -> None:
    send("child", subprocess.Popen(["sleep", "60"]).pid)
    time.sleep(60)


def put_down(send: isolation.Send, file: str) -> None:
    send("began", None)
    try:
        time.sleep(60)
    finally:
        Path(file).write_text("goodbye")
