"""results/reproduce.sh: every command of it, in its order, is one that this version takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from invbench.cli import main
from invbench.harness.checks import check_overrides
from invbench.plugins import load_catalog

ROOT = Path(__file__).parent.parent
NOTE = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["NOTED"], "a") as file:
    print(json.dumps(sys.argv), file=file)
if sys.argv[1] == "release":
    os.makedirs(sys.argv[2], exist_ok=True)
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What the script calls, noted instead of run."""
    folder = tmp_path_factory.mktemp("reproduce")
    for name in ("invbench", "python"):
        (folder / name).write_text(NOTE)
        (folder / name).chmod(0o755)
    (folder / "results").mkdir()
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "NOTED": str(folder / "noted")}
    script = str(ROOT / "results" / "reproduce.sh")
    subprocess.run(["sh", script], cwd=folder, env=env, check=True)
    return [json.loads(line) for line in (folder / "noted").read_text().splitlines()]


def arguments(commands: list[list[str]], name: str) -> list[list[str]]:
    """The words of every ``invbench NAME``."""
    return [words[2:] for words in commands if words[0].endswith("invbench") and words[1] == name]


def test_every_run_names_plugins_and_options_that_exist(commands: list[list[str]]) -> None:
    catalog = load_catalog()
    for words in arguments(commands, "run"):
        check_overrides(words, catalog)


@pytest.mark.parametrize("name", ["bench", "rescore", "release", "figure"])
def test_every_other_command_is_understood(commands: list[list[str]], name: str) -> None:
    calls = arguments(commands, name)
    assert calls
    for words in calls:
        main.commands[name].make_context(name, words)


def test_every_script_it_calls_is_there(commands: list[list[str]]) -> None:
    scripts = [words[1] for words in commands if words[0].endswith("python")]
    assert "docs/update.py" in scripts
    assert [name for name in scripts if not (ROOT / name).is_file()] == []
