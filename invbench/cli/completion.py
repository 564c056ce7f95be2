"""Completion with the tab key: commands and options by click; names of plugins, presets and keys by this module."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, ZshComplete, add_completion_class, get_completion_class

from invbench.errors import ConfigError, StoreError, unknown

if TYPE_CHECKING:
    from invbench.plugins import Catalog

PROGRAM, VARIABLE = "invbench", "_INVBENCH_COMPLETE"
SHELLS = ("bash", "fish", "zsh")
GROUPS = ("solver", "task", "benchmark", "dataset", "prior")
READ = ("benchmark", "task", "noise", "solver", "dataset", "prior", "seed")  # keys of commands that read records
Candidates = Callable[[str, Sequence[str]], Iterable[str]]  # takes the current word and the words before it


class Completed(click.types.StringParamType):
    """An argument that the tab key completes."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The candidates that begin with the word."""
        before = ctx.params.get(param.name or "")
        candidates = self.candidates(incomplete, before if isinstance(before, tuple) else ())
        return [CompletionItem(each) for each in candidates if each.startswith(incomplete)]


def _catalog() -> Catalog:
    from invbench.plugins import load_catalog

    return load_catalog()


def _names(kind: str) -> list[str]:
    """The plugins of a kind, or the presets."""
    catalog = _catalog()
    return sorted(catalog.benchmarks if kind == "benchmark" else catalog.plugins[kind])


def _values(word: str) -> list[str]:
    """``solver=ddrm,da`` to ``solver=ddrm,davi``."""
    key, _, value = word.partition("=")
    head = value[: value.rfind(",") + 1]
    kind = "tracker" if key == "track" else key
    return [f"{key}={head}{name}" for name in _names(kind)] if kind in (*GROUPS, "tracker") else []


def _filters(word: str, before: Sequence[str]) -> Iterable[str]:
    """Completions for commands that read records."""
    del before
    return _values(word) if "=" in word else [f"{key}=" for key in READ]


def _overrides(word: str, before: Sequence[str]) -> Iterable[str]:
    """Completions for commands that run: their own keys, and those of the named plugins."""
    if "=" in word:
        return _values(word)
    kind, point, _ = word.partition(".")
    if point and kind in GROUPS:
        return [f"{kind}.{key}=" for key in _options(kind, before)]
    from invbench.harness.options import HELP

    return [f"{key}=" for key in dict.fromkeys((*GROUPS, *(key for key in HELP if key.isidentifier())))]


def _options(kind: str, before: Sequence[str]) -> Iterable[str]:
    """The fields of the plugins that ``solver=NAME`` named."""
    chosen = [name for word in before if word.startswith(f"{kind}=") for name in word.partition("=")[2].split(",")]
    plugins = [p.cls for name, p in _catalog().plugins.get(kind, {}).items() if name in chosen]
    return dict.fromkeys(f.name for cls in plugins if is_dataclass(cls) for f in fields(cls))


def _kinds() -> tuple[str, ...]:
    from invbench.declarations import KINDS

    return tuple(KINDS)


def _started() -> tuple[str, ...]:
    from invbench.cli.scaffold import KINDS

    return tuple(KINDS)


def _artifacts() -> list[str]:
    plugins = _catalog().plugins
    owners = [p.cls for kind in ("prior", "solver", "metric") for p in plugins[kind].values()]
    return sorted({artifact.name for owner in owners for artifact in owner.artifacts})


OVERRIDES, FILTERS = Completed(_overrides), Completed(_filters)
NAMES = Completed(lambda word, before: sorted(_catalog().names() | set(_catalog().benchmarks)))
KINDS = Completed(lambda word, before: _kinds())
STARTED = Completed(lambda word, before: _started())
SOLVERS = Completed(lambda word, before: _names("solver"))
ARTIFACTS = Completed(lambda word, before: _artifacts())


class Bash(BashComplete):
    """Bash splits words at "=" and replaces the part after it; no space follows a key."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", 'COMPREPLY+=("$value"); [[ $value == *= ]] && compopt -o nospace'
    )
    written = ""  # of the word that is completed, up to its last "="

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before and the current word, with parts that bash split joined again."""
        words, at = os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"])
        joined: list[str] = []
        for word in [*words, ""][1 : at + 1]:
            if joined and (word == "=" or joined[-1].endswith("=")):
                joined[-1] += word
            else:
                joined.append(word)
        *before, incomplete = joined or [""]
        self.written = incomplete[: incomplete.rfind("=") + 1]
        return before, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """The part that bash replaces."""
        return f"{item.type},{item.value.removeprefix(self.written)}"


class Zsh(ZshComplete):
    """No space follows a key; completion is switched on if it is not yet."""

    source_template = ZshComplete.source_template.replace(
        "compadd -U -V unsorted -a completions",
        "local -a keys names; keys=(${(M)completions:#*=}); names=(${completions:#*=})\n"
        "        compadd -U -V unsorted -S '' -a keys\n"
        "        compadd -U -V unsorted -a names",
    ).replace("    compdef %", "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n    compdef %")


add_completion_class(Bash)
add_completion_class(Zsh)


@click.command()
@click.argument("shell", type=Completed(lambda word, before: SHELLS))
@click.option("--install", is_flag=True, help="Keep it for new shells.")
@click.pass_context
def completion(ctx: click.Context, shell: str, install: bool) -> None:
    """Complete commands, solver=, task= and others with the tab key: invbench completion bash|zsh|fish [--install]

    \b
    eval "$(invbench completion bash)"        in this shell; zsh alike
    invbench completion fish | source         in fish
    invbench completion bash --install        in all new ones

    --install writes the script into your data folder and a line that reads it at the end of .bashrc or .zshrc; for fish
    into its folder of completions.
    """
    if shell not in SHELLS:
        raise ConfigError(unknown("shell", shell, SHELLS))
    completer = get_completion_class(shell)
    assert completer is not None
    script = completer(ctx.find_root().command, {}, PROGRAM, VARIABLE).source()
    if not install:
        click.echo(script)
        return
    try:
        click.echo("\n".join(_installed(shell, script)))
    except OSError as error:
        raise StoreError(f"cannot write {error.filename}: {error.strerror or error}") from None


def _installed(shell: str, script: str) -> list[str]:
    """Write the script where new shells read it; returns a line for each action."""
    import platformdirs

    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        path = config / "fish" / "completions" / f"{PROGRAM}.fish"
    else:
        path = platformdirs.user_data_path(PROGRAM) / f"completion.{shell}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    if shell == "fish":
        return [f"wrote {path}, which fish reads"]
    start = Path(os.environ.get("ZDOTDIR") or Path.home()) / ".zshrc" if shell == "zsh" else Path.home() / ".bashrc"
    line = f". {shlex.quote(str(path))}"
    lines = start.read_text(encoding="utf-8").splitlines() if start.is_file() else []
    if line in lines:
        return [f"wrote {path}, which {start} reads"]
    with start.open("a", encoding="utf-8") as file:
        file.write(f"\n# completion of {PROGRAM}\n{line}\n")
    return [f"wrote {path}", f"added '{line}' to {start}; new shells read it"]


COMMANDS = (completion,)
