"""The tab key, as bash, zsh and fish ask for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete, get_completion_class
from command import called

from invbench.cli import main
from invbench.cli.completion import PROGRAM, SHELLS, VARIABLE

SCRIPT = """
. "$1"
compopt() { :; }
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_invbench_completion invbench
printf '%s\\n' "${COMPREPLY[@]}"
"""


def of(shell: str) -> ShellComplete:
    made = get_completion_class(shell)
    assert made is not None
    return made(main, {}, PROGRAM, VARIABLE)


def completed(shell: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What a shell is answered whose cursor is at the end of the last word."""
    monkeypatch.setenv("COMP_WORDS", "\n".join(["invbench", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    lines = of(shell).complete().split("\n")
    if shell == "zsh":  # type, value and help, a line each
        return lines[1::3]
    return [line.partition(",")[2] for line in lines if line]


def test_bash_gets_the_part_behind_the_sign_of_equality(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, answer in (
        (("ver",), ["verify", "versus"]),
        (("run", "sol"), ["solver="]),
        (("run", "solver", "=", "ddr"), ["ddrm"]),
        (("run", "solver", "=", "pinv,ddr"), ["pinv,ddrm"]),
        (("run", "solver", "=", "ddrm", "task", "=", "hd"), ["hdr"]),
        (("run", "solver", "=", "ddrm", "solver.eta_"), ["solver.eta_b="]),
        (("run", "benchmark", "=", "gmm2"), ["gmm2d"]),
        (("table", "benchmark", "=", "gmm2"), ["gmm2d"]),
        (("table", "noi"), ["noise="]),
        *(((command, "--wi"), ["--wide"]) for command in ("table", "run", "tune", "train", "bench", "plan")),
        (("info", "ddr"), ["ddrm"]),
        (("new", "me"), ["metric"]),
        (("fetch", "adm_ff"), ["adm_ffhq256"]),
        (("versus", "ddrm", "bicub"), ["bicubic"]),
        (("completion", "z"), ["zsh"]),
        (("run", "track", "=", "wandb,mlf"), ["wandb,mlflow"]),
        (("new", "tr"), []),
        (("run", "n", "=", "1"), []),
        (("no_such_command", "x"), []),
        (("table", "--format"), ["--format"]),
    ):
        assert completed("bash", monkeypatch, *words) == answer, words


def test_every_solver_is_offered_where_nothing_is_written_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    solvers = completed("bash", monkeypatch, "run", "solver", "=")
    assert {"ddrm", "davi", "pinv"} <= set(solvers)
    assert solvers == sorted(solvers)


def test_zsh_gets_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("zsh", monkeypatch, "run", "solver=pinv,ddr") == ["solver=pinv,ddrm"]
    assert completed("zsh", monkeypatch, "run", "sol") == ["solver="]


def test_scripts_leave_no_blank_behind_a_key() -> None:
    assert "compopt -o nospace" in of("bash").source()
    assert "-S '' -a keys" in of("zsh").source()
    assert "compinit" in of("zsh").source()


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_by_the_printed_script(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "invbench"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom invbench.cli import main\n\nmain()\n")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    script = subprocess.run([program, "completion", "bash"], env=env, capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script)
    for words, answer in (
        (("invbench", "run", "so"), "solver=\n"),
        (("invbench", "run", "solver", "=", "pinv,ddr"), "pinv,ddrm\n"),
    ):
        command = ["bash", "-c", SCRIPT, "-", str(tmp_path / "script"), *words]
        asked = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert (asked.stdout, asked.stderr) == (answer, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_installing_twice_changes_nothing_more(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if shell != "fish":
        start = tmp_path / f".{shell}rc"
        start.write_text("alias a=b")  # without an end of line
    first = called(["completion", shell, "--install"], tmp_path)
    assert first.returncode == 0, first.stderr
    files = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    (script,) = [path for path, text in files.items() if text == called(["completion", shell], tmp_path).stdout[:-1]]
    if shell != "fish":
        assert files[start] == f"alias a=b\n# completion of invbench\n. {script}\n"
    assert called(["completion", shell, "--install"], tmp_path).returncode == 0
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_bad_shells_and_places_are_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = called(["completion", "tcsh"], tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown shell 'tcsh'; did you mean 'zsh'")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    result = called(["completion", "fish", "--install"], tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: cannot write {tmp_path / 'file' / 'fish'}")
    assert result.stderr.count("\n") == 1
