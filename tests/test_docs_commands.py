"""Every command of the README and the pages is one that the program takes as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from invbench.cli import main
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
STANDS_FOR = {"onestep": "ddrm", "corrector": "davi", "ilvr": "ddrm"}  # plugins of the pages by ours
EXTRAS = ("track=", "hydra/", "hydra.")  # options whose packages may be absent; they have tests of their own
COMPOSED = ("run", "bench", "plan", "tune")  # commands that take the options of a run


def printed() -> list[str]:
    texts = [re.sub(r" *\\\n +", " ", page.read_text()) for page in PAGES]  # lines that go on
    lines = [line for text in texts for line in re.findall(r"^ {4}(invbench .*)$", text, re.MULTILINE)]
    commands = [command.strip() for line in lines for command in re.split(r";(?= invbench)", line)]
    return list(dict.fromkeys(commands))


def words_of(command: str) -> list[str]:
    for theirs, ours in STANDS_FOR.items():
        command = re.sub(rf"\b{theirs}\b", ours, command)
    return shlex.split(command, comments=True)[1:]


def test_there_are_many() -> None:
    assert len(printed()) > 80
    assert {command.split()[1] for command in printed()} >= {*COMPOSED, "train", "table", "restore", "report"}


@pytest.mark.parametrize("command", printed())
def test_a_command_is_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    name, *words = words_of(command)
    main.commands[name].make_context(name, [*words])
    if name in COMPOSED and not {"-h", "--help"} & {*words}:
        options = [word for word in words if "=" in word] if name != "run" else words
        taken = [word for word in options if not word.startswith(EXTRAS)]
        result = CliRunner().invoke(main, ["run", *taken, "--cfg", "job"])
        assert result.exit_code == 0, result.output
    elif name == "train":
        assert Request.parse_all([word for word in words if "=" in word], load_catalog())
