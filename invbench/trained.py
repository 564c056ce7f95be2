"""Weights of a trainable solver: which file a run takes, and the check that they are of the right training."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invbench.artifacts import locate
from invbench.errors import DataError

if TYPE_CHECKING:
    from invbench.solver import Trainable


def trained_weights(solver: Trainable, benchmark: str, task: str) -> Path:
    """The file that ``solver.weights`` names, else the shipped one for preset and task, else the authors' release.

    ``weights`` is a path or the name of shipped weights. These are in ``weights/PRESET/`` beside the solver's module,
    named ones in a subfolder of that name. The name may be that of another task, whose weights are then taken.
    The authors' release is the artifact ``SOLVER_PRESET_TASK``.
    Raises DataError, with the command of the training, if there is none.
    """
    weights = str(getattr(solver, "weights", ""))
    folder = Path(inspect.getfile(type(solver))).with_name("weights") / benchmark
    for shipped in (folder / weights / f"{task}.safetensors", folder / f"{weights}.safetensors"):
        if shipped.is_file():
            return shipped
    advice = _advice(solver, benchmark, task)
    if weights:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise DataError(f"{solver.name}: no weights at {path}; {advice}")
        return path
    released = [a for a in solver.artifacts if a.name == f"{solver.name}_{benchmark}_{task}"]
    if not released:
        raise DataError(f"{solver.name}: no weights are shipped for task {task!r} of {benchmark!r}; {advice}")
    try:
        return locate(released[0])
    except DataError as error:
        raise DataError(f"{error}; or {advice}") from None


def refuse_other_training(
    solver: Trainable,
    metadata: Mapping[str, Any],
    benchmark: str,
    task: Mapping[str, Any],
    path: Path,
    form: Sequence[str] = (),
    trained_as: Sequence[str] = (),
) -> None:
    """Raise DataError if the metadata of weights name another solver, task or preset, or another value of ``form``.

    ``task`` has the name and the options of a task; ``form`` are fields of the solver that must be those of the
    training; ``trained_as`` are other solvers whose weights fit.
    """
    advice = _advice(solver, benchmark, task["name"])
    if metadata.get("solver", {}).get("name") not in (solver.name, *trained_as):
        raise DataError(f"{solver.name}: {path} holds no weights of a training of {solver.name}; {advice}")
    if (metadata["benchmark"], metadata["task"]["name"]) != (benchmark, task["name"]):
        raise DataError(
            f"{solver.name}: {path} was trained for task {metadata['task']['name']!r} of {metadata['benchmark']!r}, "
            f"not for {task['name']!r} of {benchmark!r}; {advice}, or set solver.transfer=true"
        )
    for key in task.keys() - {"noise"}:
        trained = metadata["task"].get(key, "" if isinstance(task[key], str) else task[key])  # of before it existed
        if trained != task[key]:
            raise DataError(
                f"{solver.name}: {path} was trained with task.{key}={trained}, not {task[key]}; train again, or set "
                "solver.transfer=true"
            )
    for key in form:
        trained = metadata["solver"].get(key, getattr(type(solver), key))  # metadata from before this option existed
        if trained != getattr(solver, key):
            raise DataError(f"{solver.name}: {path} was trained with {key}={trained}; set solver.{key}={trained}")


def _advice(solver: Trainable, benchmark: str, task: str) -> str:
    command = f"invbench train solver={solver.name} benchmark={benchmark} task={task}"
    return f"train them with '{command}' and name the file: solver.weights=FILE"
