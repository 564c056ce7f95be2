"""``invbench train``: from the request to a training in a folder."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
from PIL import Image

from invbench.analysis.table import Table
from invbench.api.progress import progress_bar
from invbench.cli.combinations import INTERRUPTED, differing, each_of, status_of
from invbench.cli.console import terminal_width
from invbench.cli.train_plan import Plan, build, digest
from invbench.cli.train_request import Request
from invbench.device import arithmetic
from invbench.errors import StoreError, TrainingError
from invbench.figures.pictures import training_curve
from invbench.harness.tracking import Trackers
from invbench.plugins import Catalog
from invbench.store.release import portable
from invbench.training import Training

LOCK = ".lock"
STATUS: Mapping[int | str, str] = {0: "trained", INTERRUPTED: "interrupted; the same command resumes"}


def train_all(requests: Sequence[Request], catalog: Catalog, trackers: Trackers) -> int:
    """Run the trainings, one after the other, and print a table of them if there are several; returns the exit status.

    Raises ConfigError for what is wrong with any of them before the first begins.
    """
    words = [request.words for request in requests]
    plans = [build(request, catalog) for request in requests] if len(requests) > 1 else []
    folders = [plan.training.folder for plan in plans]
    chief = not any(plan.training.rank for plan in plans)
    del plans  # and the networks that they hold
    results = each_of(words, lambda i: train(requests[i], catalog, trackers))
    if len(results) > 1 and chief and not requests[0].dry_run:
        lines = zip(differing(words), results, folders, strict=False)
        rows = [{**own, "status": STATUS.get(ended, ended), "folder": str(place)} for own, ended, place in lines]
        click.echo("\n" + Table(f"{len(requests)} trainings", pd.DataFrame(rows), ()).render(width=terminal_width()))
    return status_of(results)


def train(request: Request, catalog: Catalog, trackers: Trackers) -> int:
    """Train, or estimate the cost of training; returns the exit status."""
    plan = build(request, catalog)
    plan.training.about["command"] = portable(["invbench", "train", *request.words])
    training = plan.training
    try:
        if request.dry_run:
            click.echo(estimate(plan))
            return 0
        click.echo(f"training in {training.folder}", err=True)
        with (
            locked(training),
            shown_progress(training),
            tracked(training, request.title, trackers),
            arithmetic(training.dtype),
        ):
            weights = plan.fit(training)
    except KeyboardInterrupt:
        click.echo("interrupted; the checkpoint is kept, and the same command resumes from there", err=True)
        training_curve(training.folder)
        return INTERRUPTED
    except OSError as error:
        raise StoreError(
            f"cannot write to {training.folder}: {error.strerror or error}. A checkpoint that is there is kept; free "
            "space or permissions, then run the same command to resume"
        ) from None
    except (torch.OutOfMemoryError, RuntimeError) as error:
        raise out_of_memory(error, training.options) from None
    if training.rank == 0:
        training_curve(training.folder)
        click.echo(
            f"weights: {weights}\nlosses:  {training.folder / 'losses.png'}\n{plan.use.replace('{}', str(weights), 1)}"
        )
    return 0


def estimate(plan: Plan) -> str:
    """Time and memory of the whole training, from its last three steps, when every loss is active."""
    click.echo(f"trying the last 3 of {plan.training.options.steps:,} steps", err=True)
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(plan.training, folder=Path(folder), last=3)
        times = [time.perf_counter()]
        trial.on_progress = lambda event: times.append(time.perf_counter())
        with arithmetic(trial.dtype):
            plan.fit(trial)
    seconds = min(b - a for a, b in pairwise(times[1:]))
    steps, device = plan.training.options.steps, plan.training.device
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return (
        f"{steps:,} steps of at most {seconds:.2f} s: {steps * seconds / 3600:.1f} h at most on this {device.type}\n"
        f"peak memory {peak / 2**20:,.0f} MiB\nfolder {plan.training.folder}"
    )


def out_of_memory(error: Exception, options: Any) -> Exception:
    """A TrainingError with advice if memory ran out; any other error unchanged."""
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
        return error
    size = getattr(options, "batch_size", 2)
    advice = f"try training.batch_size={max(1, size // 2)}"
    if hasattr(options, "accumulate"):
        advice += ", or keep it and compute it in parts with training.accumulate=2"
    if getattr(options, "shared", False):
        advice += " training.shared=false"
    return TrainingError(f"memory ran out at training.batch_size={size}; {advice}")


@contextmanager
def locked(training: Training) -> Iterator[None]:
    """Lock the folder; one that was made for this and holds nothing else afterwards is removed.

    Raises StoreError if another training holds the lock.
    """
    import filelock

    if training.rank:
        yield
        return
    made = [folder for folder in (training.folder, *training.folder.parents) if not folder.exists()]
    training.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(training.folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise StoreError(f"another process trains in {training.folder}; wait for it, or choose folder=FOLDER") from None
    try:
        yield
    finally:
        lock.release()
        if made and os.listdir(training.folder) == [LOCK]:
            (training.folder / LOCK).unlink()
            with suppress(OSError):  # a folder above it holds other trainings
                for folder in made:
                    folder.rmdir()


@contextmanager
def tracked(training: Training, title: str, trackers: Trackers) -> Iterator[None]:
    """Report the log of the training to trackers; if there are several processes, only the first reports."""
    if training.rank or not trackers:
        yield
        return
    with trackers.following("training", title) as followed:
        followed.begin(digest(training.config), training.config)
        training.on_report = followed.log
        yield
        followed.end("complete", picture=shown(training.folder))


def shown(folder: Path) -> Image.Image | None:
    """The last picture that a training wrote; None if there is none, or if it cannot be read."""
    paths = sorted(folder.glob("samples/*.png"))
    with suppress(OSError):
        return Image.open(paths[-1]) if paths else None
    return None


@contextmanager
def shown_progress(training: Training) -> Iterator[None]:
    """A progress bar on a terminal, elsewhere a line at most every ten seconds: step, losses, images/s, time left."""
    if training.rank:
        yield
        return
    bar, size = progress_bar("training", "{task.description}"), getattr(training.options, "batch_size", 1)
    began: list[tuple[float, int]] = []
    last_shown = [time.monotonic()]

    def text(event: Mapping[str, Any]) -> str:
        """Losses, speed and time left."""
        now, step = time.monotonic(), event["step"]
        if not began:
            began.append((now, step))
        rate = (step - began[0][1]) / max(now - began[0][0], 1e-9)
        losses = ", ".join(f"{k} {v:.4g}" for k, v in event.items() if k not in ("step", "total"))
        left = (event["total"] - step) / rate / 60 if rate else 0.0
        return f"{losses}; {rate * size:.1f} images/s, {left:.0f} min left" if rate else "starting"

    if bar is None:

        def line(event: Mapping[str, Any]) -> None:
            described = text(event)
            if time.monotonic() - last_shown[0] > 10 or event["step"] == event["total"]:
                last_shown[0] = time.monotonic()
                click.echo(f"step {event['step']}/{event['total']}: {described}", err=True)

        training.on_progress = line
        yield
        return
    with bar:
        task = bar.add_task("starting")
        training.on_progress = lambda event: bar.update(
            task, completed=event["step"], total=event["total"], description=text(event)
        )
        yield
