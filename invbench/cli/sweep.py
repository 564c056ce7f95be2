"""From overrides to jobs: in this process, or with Hydra in a launcher's workers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, TypeVar

import click
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from invbench.cli.read import OUT
from invbench.errors import ConfigError, InvbenchError, StoreError, one_line
from invbench.guard import reason_of
from invbench.harness.checks import (
    check_overrides,
    folders,
    launcher,
    shards,
    shows_job,
    without_cfg,
    words_alone,
)
from invbench.harness.choices import choices
from invbench.harness.config import Choice, described
from invbench.harness.options import register
from invbench.harness.overrides import composing, for_hydra, reason
from invbench.harness.places import refuse_unwritable
from invbench.plugins import Catalog

Result = TypeVar("Result")
Work = Callable[[Choice], list[str]]  # runs a job in a worker; returns its errors, one line each
SWEEPS = {"-m", "--multirun"}


def compose(
    overrides: Sequence[str], catalog: Catalog, handle: Callable[[Any], Iterable[Result]]
) -> list[Result] | None:
    """The result of ``handle`` for each job of the overrides; None if the user interrupted it."""
    if name := launcher(overrides):
        raise ConfigError(
            f"hydra/launcher={name} is for 'invbench run'; leave it out: this command runs in one process"
        )
    ready = check_overrides(overrides, catalog)
    for out in folders(overrides) or [Path(OUT)]:
        refuse_unwritable(out)
    shows = shows_job(ready)
    jobs: list[Result] = []
    texts: list[str] = []
    broken: list[Exception] = []  # Hydra would print more than the error says

    def job(choice: Choice) -> None:
        try:
            if shows:
                texts.append(described(choice, catalog))
            else:
                jobs.extend(handle(choice))
        except Exception as error:
            broken.append(error)

    try:
        _each(job, overrides, without_cfg(ready) if shows else ready, catalog)
        if broken:
            raise broken[0]
    except KeyboardInterrupt:
        click.echo("interrupted; what was computed is kept, and the same command resumes from there", err=True)
        return None
    if shows:
        click.echo("\n---\n".join(texts))
    return jobs


def _each(job: Callable[[Choice], None], overrides: Sequence[str], ready: Sequence[str], catalog: Catalog) -> None:
    """Call the jobs. Hydra composes or prints them only if a feature of its own is used, such as a sweeper."""
    words = words_alone(overrides)
    if words is not None:
        for choice in choices(words, catalog):
            job(choice)
        return
    register(catalog)
    with composing(), TemporaryDirectory() as scratch:
        swept = _into(scratch, ready) if SWEEPS.intersection(ready) else ready
        _call(lambda config: job(Choice.of_job(config)), swept)


def launch(overrides: Sequence[str], catalog: Catalog, work: Work) -> list[str] | None:
    """Let a launcher's workers run the jobs, one per shard; returns the errors, one line each.

    None if the user interrupted it. Workers must see the current folder and the results folder under the same paths.
    """
    ready, name = [*_as_sweep(check_overrides(overrides, catalog)), *_parts(shards(overrides))], launcher(overrides)
    outs = folders(overrides) or [Path(OUT)]
    for out in outs:
        refuse_unwritable(out)
    register(catalog)
    scratch, here = _scratch(outs[0].absolute()), os.getcwd()

    def job(config: DictConfig) -> None:
        _report(config, work, here, scratch)

    click.echo(f"launcher {name}: its workers run the jobs; its files, meanwhile: {scratch}", err=True)
    faults: list[str] = []
    try:
        with composing():
            _call(job, _into(str(scratch), ready))
    except KeyboardInterrupt:
        click.echo(
            f"interrupted; jobs that launcher {name} has started may go on. What was computed is kept, and the same "
            "command resumes from there",
            err=True,
        )
        return None
    except InvbenchError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    except Exception as error:  # the launcher's own error if a worker has died
        faults.append(f"launcher {name}: {type(error).__name__}: {reason(error)}; its files are in {scratch}")
    reported = "\n".join(path.read_text("utf-8") for path in sorted(scratch.glob("*.faults")))
    if not faults:
        shutil.rmtree(scratch, ignore_errors=True)
    return [*filter(None, reported.splitlines()), *map(one_line, faults)]


def _as_sweep(ready: list[str]) -> list[str]:
    """Overrides with the flag without which Hydra uses no launcher."""
    return ready if SWEEPS.intersection(ready) else ["-m", *ready]


def _parts(count: int) -> list[str]:
    """The override that makes each shard a job."""
    return [f"shard={','.join(for_hydra(f'{i}/{count}') for i in range(count))}"] if count > 1 else []


def _report(config: DictConfig, work: Work, here: str, scratch: Path) -> None:
    """Run a job in a worker, and write its errors to a file."""
    try:
        os.chdir(here)
        faults = work(Choice.of_job(config))
    except Exception as error:
        faults = [f"worker on {socket.gethostname()}: {reason_of(error)}"]
    text = "\n".join(one_line(line) for line in faults)
    (scratch / f"{HydraConfig.get().job.num}.faults").write_text(text, "utf-8")


def _call(job: Callable[[DictConfig], None], ready: Sequence[str]) -> None:
    """Let Hydra compose and call the job."""
    arguments, sys.argv = sys.argv, ["invbench", *ready]
    try:
        hydra.main(version_base="1.3", config_path=None, config_name="run")(job)()
    finally:
        sys.argv = arguments


def _into(folder: str, ready: Sequence[str]) -> list[str]:
    """Overrides that make Hydra and launchers write their files into a folder, unless the user names others."""
    if any(text.startswith("hydra.sweep.dir=") for text in ready):
        return [*ready]
    doubled = re.sub(r"(\\+)(?='|\$\{|$)", r"\1\1", folder)  # backslashes before what needs one
    escaped = re.sub(r"('|\$\{)", r"\\\1", doubled)
    return [*ready, f"hydra.sweep.dir='{escaped}'"]


def _scratch(out: Path) -> Path:
    """A folder for a launcher's files that workers on other machines see too."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix=".launch-", dir=out))
    except OSError as error:
        raise StoreError(f"cannot write to {out}: {error.strerror}; choose another out=FOLDER") from None
