"""The help of the commands."""

from __future__ import annotations

from click.testing import CliRunner, Result

from invbench.cli import main
from invbench.cli.help import HELP


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_help_of_run_lists_plugins_and_options() -> None:
    text = typed("run", "--help").output
    for word in ("ddrm", "sr4", "photos", "adm_photos", "seed=0", "batch_size=16", "shard=0/1", "overwrite=False"):
        assert word in text


def test_every_command_has_a_sentence_in_a_group_and_no_other() -> None:
    sentences = {name: text for group in HELP.values() for name, text in group.items()}
    assert sum(map(len, HELP.values())) == len(sentences)
    assert sentences.keys() == main.commands.keys()
    shown = typed("--help").output
    assert all(f"{name} " in shown and text in shown for name, text in sentences.items())
