"""What trainings share: batches keyed by step, a loop that resumes to the same weights, and what is kept of it.

The method itself is not here: a ``fit`` owns its networks, losses and updates, and asks a :class:`Training` for
batches, for the loop, and to write things down.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from invbench.atomic import drop_parts, write_atomic
from invbench.dataset import Dataset
from invbench.errors import ConfigError, TrainingError
from invbench.image_files import to_image
from invbench.interrupts import deferred_interrupts
from invbench.optimisation import mean_over_processes
from invbench.problem import Measurement
from invbench.rng import Rng
from invbench.weights import read_tensors

STATE, WEIGHTS, LOG = "state.safetensors", "weights.safetensors", "train.jsonl"
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EVERY = 20  # steps whose mean losses make a line of the log


@dataclass
class Training:
    """One training in ``folder``, of which this process may be one of several.

    - ``config``: plain data, everything that determines the weights; on resuming, another one is refused
    - ``options``: what the user chose of ``training.*``, an instance of the trainable's ``options`` class
    - ``images``: what is trained on; ``measured``: held-out measurements to watch, where there are any

    A step draws from generators that are keyed by its number, so none is ever stored: an interrupted training that
    resumes from its checkpoint ends with the weights of an uninterrupted one.
    """

    folder: Path
    config: Mapping[str, Any]
    options: Any
    images: Dataset
    measured: Measurement | None = None
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: str = "float32"
    save_every: int = 500
    on_progress: Callable[[Mapping[str, Any]], None] = lambda event: None
    rank: int = 0
    processes: int = 1
    about: dict[str, str] = field(default_factory=dict)  # for the metadata: the command, where the options come from
    start: Mapping[str, Any] = field(
        default_factory=dict
    )  # the metadata of the training whose weights this one starts from
    last: int = 0  # only this many steps, the last ones, and nothing kept of them: a trial

    def batch(self, step: int, size: int) -> tuple[Tensor, Rng]:
        """``size`` images of a step in [-1, 1], (B, C, H, W), and a generator for each; a share of them per process.

        Raises ConfigError where the processes' shares would not be equal, whose gradients are averaged.
        """
        if size % self.processes:
            raise ConfigError(f"a batch of {size} cannot be shared by {self.processes} processes; choose a multiple")
        rows = [str(row) for row in range(self.rank, size, self.processes)]
        rng = Rng.for_images(rows, purpose="training", seed=self.seed, step=step)
        x = torch.stack([self.images.load(self._ids[i]) for i in rng.integers(len(self._ids), ()).tolist()])
        return x.to(self.device), rng

    def steps(
        self, total: int, networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> Iterator[int]:
        """The steps up to ``total`` that are left, with networks and optimizers as the checkpoint has them.

        They are kept every ``save_every`` steps and at the end; on Ctrl-C or SIGTERM when the step in hand is done.
        """
        self._networks, self._optimizers, self._total = networks, optimizers, total
        self._seconds, self._begin = 0.0, time.perf_counter()
        self._saved = self._restore()
        self._noted: dict[str, list[float]] = {}
        self._last: dict[str, float] = {}
        self.on_progress({"step": self._saved, "total": total})
        with deferred_interrupts() as interrupted:
            for step in range(max(self._saved, total - self.last) if self.last else self._saved, total):
                yield step
                if (step + 1) % EVERY == 0 or self.due(step) or self.last:
                    self._flush(step + 1)
                if interrupted or self.due(step):
                    self._save(step + 1)
                if interrupted:
                    raise KeyboardInterrupt

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision of network calls. Losses and operators belong outside, in float32."""
        if DTYPES[self.dtype] == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, DTYPES[self.dtype])

    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients of a loss."""
        self._scaler.scale(loss).backward()

    def update(self, optimizer: Optimizer, clip: float = math.inf) -> None:
        """Step with the gradients, averaged over processes and at most of norm ``clip``, and clear them.

        In float16 gradients that overflow skip the step: averaged first, those of one process do so in all.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if self.processes > 1:
            mean_over_processes(parameters)
        self._scaler.unscale_(optimizer)
        if clip < math.inf:
            nn.utils.clip_grad_norm_(parameters, clip)
        self._scaler.step(optimizer)
        self._scaler.update()
        optimizer.zero_grad()

    def due(self, step: int) -> bool:
        """Whether the state after this step is kept, which is when to look at it."""
        return not self.last and ((step + 1) % self.save_every == 0 or step + 1 == self._total)

    def log(self, step: int, **losses: Tensor | float) -> None:
        """Note losses of a step, or of a part of its batch. Raises TrainingError where one is not finite."""
        for name, loss in losses.items():
            value = float(loss.detach() if isinstance(loss, Tensor) else loss)
            if not math.isfinite(value):
                raise self._diverged(name, step)
            self._noted.setdefault(name, []).append(value)

    def _diverged(self, what: str, step: int) -> TrainingError:
        last_good = f"the last good checkpoint, of step {self._saved}, is {self.folder / STATE}"
        return TrainingError(
            f"{what} is not finite at step {step}; {last_good if self._saved else 'no checkpoint was written yet'}. "
            "Lower training.lr, or use dtype=float32"
        )

    def _check_finite(self, step: int) -> None:
        """Raise TrainingError before weights are kept that are not finite."""
        for name, network in self._networks.items():
            if not all(p.isfinite().all() for p in network.parameters()):
                raise self._diverged(f"a weight of {name}", step)

    def report(self, step: int, **values: float) -> None:
        """Append a line to the log: figures of the state after ``step`` steps."""
        if self.rank == 0:
            with (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "time": round(time.time(), 1), **values}) + "\n")

    def show(self, step: int, *columns: Tensor) -> None:
        """Keep a picture with a row per image and a column for each of ``columns``, (B, C, H, W) in [-1, 1]."""
        if self.rank == 0 and min(columns[0].shape[2:]) > 4:
            rows = torch.cat([column.float().cpu() for column in columns], dim=3)
            folder = self.folder / "samples"
            folder.mkdir(exist_ok=True)
            data = BytesIO()
            to_image(rows.transpose(0, 1).flatten(1, 2)).save(data, format="PNG")
            write_atomic(folder / f"{step:07d}.png", data.getvalue())

    @property
    def weights(self) -> Path:
        """The file that ``keep`` writes."""
        return self.folder / WEIGHTS

    def keep(self, network: nn.Module, step: int, **figures: float) -> None:
        """Write the weights in half precision, with metadata: what was trained, on what, for how long, how well."""
        from safetensors.torch import save

        self._check_finite(step)
        card = {
            **self.about,
            **self.config,
            "step": step + 1,
            "seconds": round(self._spent() + self.start.get("seconds", 0), 1),  # what the weights cost in all
            "machine": f"{self.device.type}, {torch.get_num_threads()} threads, {self.processes} processes",
            "losses": self._last,
            "validation": figures,
            **({"start": self.start} if self.start else {}),
        }
        tensors = {key: value.half().contiguous().cpu() for key, value in network.state_dict().items()}
        if self.rank == 0:
            write_atomic(self.weights, save(tensors, {"card": json.dumps(card)}))

    @cached_property
    def _ids(self) -> Any:
        return self.images.ids()

    @cached_property
    def _scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == "float16")

    def _flush(self, step: int) -> None:
        """Write the means of the losses since the last line."""
        self._last = {name: sum(values) / len(values) for name, values in self._noted.items()}
        self._noted = {}
        self.report(step, **self._last)
        self.on_progress({"step": step, "total": self._total, **self._last})

    def _save(self, step: int) -> None:
        from safetensors.torch import save

        self._check_finite(step)
        if self.rank == 0:
            meta = {
                "step": str(step),
                "seconds": str(self._spent()),
                "config": json.dumps(self.config),
                "scaler": json.dumps(self._scaler.state_dict()),
            }
            write_atomic(self.folder / STATE, save(dict(self._tensors()), meta))
        self._saved = step

    def _spent(self) -> float:
        """Seconds of training, interrupted sessions included."""
        return self._seconds + time.perf_counter() - self._begin

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, network in self._networks.items():
            yield from ((f"{name}/{key}", value.contiguous()) for key, value in network.state_dict().items())
        for name, optimizer in self._optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                yield from ((f"{name}@{index}/{key}", value.contiguous()) for key, value in state.items())

    def _restore(self) -> int:
        """Load the checkpoint, if there is one, and cut the log to it; returns its step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        drop_parts(self.folder)
        path = self.folder / STATE
        if not path.is_file():
            (self.folder / LOG).unlink(missing_ok=True)
            return 0
        meta, tensors = read_tensors(path)
        refuse_other(self.config, json.loads(meta["config"]), path)
        for name, network in self._networks.items():
            network.load_state_dict(_below(tensors, f"{name}/"))
        for name, optimizer in self._optimizers.items():
            _restore_optimizer(optimizer, _below(tensors, f"{name}@"))
        self._scaler.load_state_dict(json.loads(meta["scaler"]))
        step, self._seconds = int(meta["step"]), float(meta["seconds"])
        if self.rank == 0:
            self._cut_log(step)
        return step

    def _cut_log(self, step: int) -> None:
        """Leave out the lines of the log after a step, which are going to be written again."""
        log = self.folder / LOG
        written = log.read_text().splitlines() if log.is_file() else []
        lines = [json.loads(line) for line in written if line.endswith("}")]
        text = "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step)
        write_atomic(log, text.encode())


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load an optimizer's state: tensors by the index of their parameter and their name."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def refuse_other(current: Mapping[str, Any], recorded: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError, naming each difference, where a checkpoint is of another training."""
    ours, theirs = dict(_leaves(json.loads(json.dumps(current)))), dict(_leaves(recorded))
    differences = [
        f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} here"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    if differences:
        raise ConfigError(
            f"{path} is of another training: {'; '.join(differences)}. Use its values, or another folder=FOLDER"
        )


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree
