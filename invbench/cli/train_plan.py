"""From a request to a training: networks, images, folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from invbench.artifacts import weights_sha256
from invbench.cli.train_images import (
    channels_of,
    fingerprint,
    named_images,
    parted,
    refuse_unreadable,
    sampled_images,
    training_images,
)
from invbench.cli.train_request import Request, TrainConfig, part
from invbench.dataset import Benchmark, Dataset
from invbench.device import choose_device, has_bfloat16, refuse_precision
from invbench.errors import ConfigError, unknown
from invbench.harness.config import refuse_misfit
from invbench.numbers import TRAININGS
from invbench.plugins import Catalog
from invbench.prior import TrainablePrior
from invbench.problem import Measurement, Problem
from invbench.settings import settings
from invbench.solver import Trainable, declared_mismatch
from invbench.training import DTYPES, Training
from invbench.weights import read_card


@dataclass(frozen=True)
class Plan:
    """The parts of a training. ``fit`` runs it; ``config`` determines its weights."""

    fit: Callable[[Training], Path]
    training: Training
    use: str  # the command that uses the result; ``{}`` stands for the file


def build(request: Request, catalog: Catalog) -> Plan:
    """The requested training. Raises ConfigError or DataError before any network call."""
    benchmark = catalog.benchmark(request.options.benchmark)
    device = choose_device(request.options.device)
    dtype = chosen_dtype(request.options.dtype, device)
    request = dataclasses.replace(request, options=dataclasses.replace(request.options, dtype=dtype))
    if "solver" in request.names:
        return build_solver(request, catalog, benchmark, device)
    if "prior" in request.names:
        return build_prior(request, catalog, benchmark, device)
    able = [n for n, p in catalog.plugins["solver"].items() if issubclass(p.cls, Trainable)]
    raise ConfigError(f"expected solver=NAME task=NAME, or prior=NAME. Trainable solvers: {', '.join(sorted(able))}")


def build_solver(request: Request, catalog: Catalog, benchmark: Benchmark, device: torch.device) -> Plan:
    """A solver's training for a task of a preset."""
    cls = _trainable(request, catalog)
    task_name = request.names["task"]
    variants = chosen_variants(cls, request.variants)
    preset = settings(cls, benchmark.name, task_name)
    solver = part(cls, request, "solver", [preset.values, variants.get("solver", {})])
    task = part(catalog.get("task", task_name), request, "task", [benchmark.tasks.get(task_name, {})])
    source = part(catalog.get("prior", request.names.get("prior", benchmark.prior)), request, "prior", [])
    tuned = settings(cls.options, benchmark.name, task_name)
    options = part(cls.options, request, "training", [tuned.values, variants.get("training", {})])
    request = with_recipe(request, variants.get("train", {}))
    images = sampled_images(request, catalog, benchmark, source) or training_images(request, catalog, benchmark)
    refuse_misfit(source, images)
    seen, measured = parted(benchmark, catalog, task, images, request.options.seed)
    if measured is not None:
        _refuse_untrainable(solver, task, measured)
    prior = source.load(images.x_shape, device)
    start = solver.checkpoint(benchmark.name, task_name) if getattr(solver, "weights", "") else None
    form, defaults = ({k: v for k, v in named(each).items() if k != "weights"} for each in (solver, cls()))
    config = {
        "benchmark": benchmark.name,
        "solver": {**form, "start": weights_sha256(start) if start else "fresh"},
        "task": named(task),
        "prior": {"name": source.name, "sha256": source.fingerprint()},
        **common(images, options, request.options),
    }
    folder = Path(request.options.out).expanduser() / benchmark.name / task_name / f"{cls.name}-{digest(config)}"
    own = _overridden("solver", form, {**defaults, **preset.values})
    own += _overridden("task", named(task), {**named(type(task)()), **benchmark.tasks.get(task_name, {})})
    if source.name != benchmark.prior:
        own += f" prior={source.name}{_overridden('prior', named(source), named(type(source)()))}"
    use = f"invbench run solver={cls.name} benchmark={benchmark.name} task={task_name} solver.weights={{}}{own}"
    use += _other_images(images, benchmark, catalog)
    training = started(folder, config, options, seen, measured, request.options, device)
    training.about |= {"origin": tuned.origin, **_held(images, seen)}
    training.start = read_card(start) if start else {}
    return Plan(lambda t: solver.fit(task, prior, t), training, use)


def _trainable(request: Request, catalog: Catalog) -> type[Trainable]:
    """The solver of a request. Raises ConfigError if it needs no training, or no task is given."""
    cls = catalog.get("solver", request.names["solver"])
    if not issubclass(cls, Trainable):
        raise ConfigError(f"solver {cls.name} needs no training; run it: invbench run solver={cls.name} task=NAME")
    if "task" not in request.names:
        raise ConfigError(f"expected task=NAME. Available: {', '.join(sorted(catalog.plugins['task']))}")
    return cls


def _refuse_untrainable(solver: Trainable, task: Any, measured: Measurement) -> None:
    """Raise ConfigError for a task that the trained solver could not run."""
    problem = Problem(measured.A, task.noise_model.sigma_y, task.name, "")
    if reason := declared_mismatch(solver, problem):
        raise ConfigError(f"solver {solver.name} {reason}")


def _overridden(kind: str, fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The options of a plugin that a run needs, in the notation of the command line."""
    changed = {k: v for k, v in fields.items() if k != "name" and v != defaults[k]}
    return "".join(f" {shlex.quote(f'{kind}.{k}={v}')}" for k, v in changed.items())


def _refuse_others(request: Request) -> None:
    """Raise ConfigError for keys that do not belong to a prior's training."""
    others = [f"{kind}=" for kind in ("solver", "task") if kind in request.names or request.fields[kind]]
    others += [f"+{name}=" for name in request.variants]
    others += ["samples="] if request.options.samples else []
    if others:
        raise ConfigError(f"a prior is trained on images alone; leave out {', '.join(others)}")


def build_prior(request: Request, catalog: Catalog, benchmark: Benchmark, device: torch.device) -> Plan:
    """A prior's training."""
    cls = catalog.get("prior", request.names["prior"])
    _refuse_others(request)
    if not issubclass(cls, TrainablePrior):
        raise ConfigError(f"prior {cls.name} cannot be trained here")
    tuned = settings(cls.options, benchmark.name, "")
    options = part(cls.options, request, "training", [tuned.values])
    chosen = part(cls, request, "prior", [])
    images = named_images(request, catalog, benchmark)
    source = chosen.for_images(images.x_shape)
    refuse_misfit(source, images)
    refuse_unreadable(images)
    use = f"invbench run prior={cls.name} benchmark={benchmark.name} prior.weights={{}} solver=ddrm task=sr4"
    use += _other_images(images, benchmark, catalog)
    seen, measured = parted(benchmark, catalog, None, images, request.options.seed)
    prior = {k: v for k, v in named(source).items() if k != "weights"}
    start = source.fingerprint() if source.weights else "fresh"
    config = {"prior": {**prior, "start": start}, **common(images, options, request.options)}
    folder = Path(request.options.out).expanduser() / "priors" / f"{cls.name}-{digest(config)}"
    training = started(folder, config, options, seen, measured, request.options, device)
    training.about |= {"origin": tuned.origin, **_held(images, seen)}
    return Plan(source.fit, training, use)


def _held(images: Dataset, seen: Dataset) -> dict[str, str]:
    """What the metadata says of images that are held out of a training."""
    held = len(images.ids()) - len(seen.ids())
    return {"held_out": f"the last {held} images"} if held else {}


def _other_images(images: Dataset, benchmark: Benchmark, catalog: Catalog) -> str:
    """The dataset option of a run on images like these, for the command line, without their folder.

    Empty if they have the benchmark's channels: a run then takes the benchmark's images.
    """
    if images.x_shape[0] == channels_of(benchmark, catalog):
        return ""
    fields = named(images) | dict.fromkeys(images.places, "FOLDER")
    return f" dataset={images.name}{_overridden('dataset', fields, named(type(images)()))}"


def started(
    folder: Path,
    config: Mapping[str, Any],
    options: Any,
    images: Dataset,
    measured: Measurement | None,
    chosen: TrainConfig,
    device: torch.device,
) -> Training:
    """The training in this process, possibly one of several that ``accelerate launch`` started."""
    folder = Path(chosen.folder).expanduser() if chosen.folder else folder
    rank, processes = 0, int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        try:
            from accelerate import PartialState
        except ImportError:
            raise ConfigError(
                "a training by several processes needs accelerate: pip install 'invbench[distributed]'"
            ) from None
        state = PartialState(cpu=device.type == "cpu")
        rank, device = state.process_index, state.device
    return Training(
        folder, config, options, images, measured, chosen.seed, device, chosen.dtype, chosen.save_every,
        rank=rank, processes=processes, compile=chosen.compile,
    )  # fmt: skip


def with_recipe(request: Request, values: Mapping[str, Any]) -> Request:
    """The request with the options that a recipe sets, except those that the user wrote."""
    own = {key: value for key, value in values.items() if key not in request.given}
    return dataclasses.replace(request, options=dataclasses.replace(request.options, **own))


def chosen_variants(cls: type[Trainable], variants: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Fields by kind that ``+GROUP=NAME`` sets."""
    chosen: dict[str, dict[str, Any]] = {}
    for group, name in variants.items():
        if group not in cls.variants:
            raise ConfigError(unknown("variant", f"+{group}", [f"+{known}" for known in cls.variants]))
        if name not in cls.variants[group]:
            raise ConfigError(unknown(group, name, cls.variants[group]))
        for kind, fields in cls.variants[group][name].items():
            chosen.setdefault(kind, {}).update(fields)
    return chosen


def chosen_dtype(name: str, device: torch.device) -> str:
    """``auto`` is bfloat16 where the hardware has it. Raises ConfigError for an unavailable precision."""
    if name == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    if name not in DTYPES:
        raise ConfigError(unknown("dtype", name, ("auto", *DTYPES)))
    refuse_precision(name, device)
    if name == "bfloat16" and not has_bfloat16(device):
        raise ConfigError(
            f"dtype=bfloat16 is emulated on this {device.type}, many times slower than float32; use float32, or auto"
        )
    return name


def named(plugin: Any) -> dict[str, Any]:
    """A plugin's name and fields."""
    return {"name": plugin.name, **asdict(plugin)}


def common(images: Dataset, options: Any, chosen: TrainConfig) -> dict[str, Any]:
    """The part of a training's identity that solvers and priors share."""
    dataset = {k: v for k, v in named(images).items() if k != "root"}  # the location of a folder does not matter
    return {
        "dataset": {**dataset, "images": len(images.ids()), "sha256": fingerprint(images)},
        "training": asdict(options),
        "seed": chosen.seed,
        "dtype": chosen.dtype,
        "invbench": TRAININGS,
    }


def digest(config: Mapping[str, Any]) -> str:
    """The name of a training."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
