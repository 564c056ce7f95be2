"""What trainings share: batches keyed by step, a loop that resumes to the same weights, and the files it writes.

The method itself is not here: a ``fit`` has its own networks, losses and updates, and uses a :class:`Training` for
batches, for the loop, and to write files.
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
from invbench.checkpoint import State, refuse_other
from invbench.dataset import Dataset
from invbench.errors import ConfigError, TrainingError
from invbench.feed import Batch, Feed
from invbench.image_files import to_image
from invbench.interrupts import deferred_interrupts
from invbench.optimisation import mean_over_processes
from invbench.problem import Measurement
from invbench.rng import Rng
from invbench.weights import read_tensors

STATE, WEIGHTS, LOG = "state.safetensors", "weights.safetensors", "train.jsonl"
HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
DTYPES = ("float32", "tf32", *HALF)
EVERY = 20  # steps whose mean losses make a line of the log


@dataclass
class Training:
    """One training in ``folder``, of which this process may be one of several.

    - ``config``: plain data, everything that determines the weights; a training is not resumed with another one
    - ``options``: what the user chose of ``training.*``, an instance of the trainable's ``options`` class
    - ``images``: what is trained on; ``measured``: held-out measurements to watch, if there are any
    - ``compile``: whether :meth:`compiled` compiles networks

    A step draws from generators that are keyed by its number, so none is ever stored: an interrupted training that
    resumes from its checkpoint ends with the weights of an uninterrupted one. Only lines of the log, checkpoints and
    validations wait for the device.
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
    on_report: Callable[[int, Mapping[str, float]], None] = lambda step, values: None  # of lines of the log
    rank: int = 0
    processes: int = 1
    about: dict[str, str] = field(default_factory=dict)  # for the metadata: the command, where the options come from
    start: Mapping[str, Any] = field(
        default_factory=dict
    )  # the metadata of the training whose weights this one starts from
    compile: bool = False
    last: int = 0  # a trial: only this many steps, the last ones, and nothing is written

    def batch(self, step: int, size: int, crop: int = 0) -> tuple[Tensor, Rng]:
        """``size`` images of a step in [-1, 1], (B, C, H, W), and a generator for further draws; a share per process.

        With ``crop``, squares of that many pixels, anywhere in the images. Everything is on the training's device. An
        image of the batch and its draws do not depend on the number of processes.
        Raises ConfigError unless every process gets an equal share, since gradients are averaged.
        """
        if size % self.processes:
            raise ConfigError(f"a batch of {size} cannot be shared by {self.processes} processes; choose a multiple")
        x = self._feed.batch(Batch(step, size, crop))
        rng = Rng.for_batch(size, self.device, purpose="training", seed=self.seed, step=step)
        return x, rng.part(slice(self.rank, None, self.processes))

    def steps(
        self, total: int, networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> Iterator[int]:
        """The remaining steps up to ``total``, with networks and optimizers restored from the checkpoint.

        A checkpoint is written every ``save_every`` steps and at the end; on Ctrl-C or SIGTERM after the current step.
        """
        self._state, self._total = State(networks, optimizers), total
        self._seconds, self._begin = 0.0, time.perf_counter()
        self._saved = self._restore()
        self._noted: dict[str, list[tuple[int, Tensor | float]]] = {}
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
        if self.dtype not in HALF:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, HALF[self.dtype])

    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients of a loss."""
        self._scaler.scale(loss).backward()

    def update(self, optimizer: Optimizer, clip: float = math.inf) -> None:
        """Step with the gradients, averaged over processes and clipped to norm ``clip``, and clear them.

        In float16 a step is skipped if gradients overflow; they are averaged first, so that all processes skip it.
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
        """Whether a checkpoint follows this step, which is the time to validate."""
        return not self.last and ((step + 1) % self.save_every == 0 or step + 1 == self._total)

    def log(self, step: int, **losses: Tensor | float) -> None:
        """Note losses of a step, or of a part of its batch; the device may still be computing them.

        The next line of the log, or checkpoint, raises TrainingError if one is not finite.
        """
        for name, loss in losses.items():
            value = loss.detach() if isinstance(loss, Tensor) else loss
            self._noted.setdefault(name, []).append((step, value))

    def compiled(self, *networks: nn.Module) -> None:
        """Compile networks if ``compile`` is true; they stay the same modules."""
        for network in networks if self.compile else ():
            network.compile()

    def _diverged(self, what: str, step: int) -> TrainingError:
        last_good = f"the last good checkpoint, of step {self._saved}, is {self.folder / STATE}"
        return TrainingError(
            f"{what} is not finite at step {step}; {last_good if self._saved else 'no checkpoint was written yet'}. "
            "Lower training.lr, or use dtype=float32"
        )

    def _check_finite(self, step: int) -> None:
        """Raise TrainingError before weights that are not finite are written."""
        self._losses()
        for name, network in self._state.networks.items():
            if not all(torch.stack([p.isfinite().all() for p in network.parameters()]).tolist()):
                raise self._diverged(f"a weight of {name}", step)

    def _losses(self) -> dict[str, list[float]]:
        """The losses since the last line, by name. Raises TrainingError for the first that is not finite."""
        losses = {name: self._numbers([value for _, value in noted]) for name, noted in self._noted.items()}
        bad = [
            (step, name)
            for name, noted in self._noted.items()
            for (step, _), value in zip(noted, losses[name], strict=True)
            if not math.isfinite(value)
        ]
        if bad:
            step, name = min(bad, key=lambda each: each[0])
            raise self._diverged(name, step)
        return losses

    def _numbers(self, values: list[Tensor | float]) -> list[float]:
        """Values as numbers; waits for the device."""
        numbers: list[float] = torch.stack([torch.as_tensor(v, device=self.device).float() for v in values]).tolist()
        return numbers

    def report(self, step: int, **values: float) -> None:
        """Append a line to the log, figures of the state after ``step`` steps, and pass them to ``on_report``."""
        if self.rank == 0:
            with (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "time": round(time.time(), 1), **values}) + "\n")
            self.on_report(step, values)

    def show(self, step: int, *columns: Tensor) -> None:
        """Write a picture with a row per image and a column for each of ``columns``, (B, C, H, W) in [-1, 1].

        If images are neither grey nor RGB, their channels are shown side by side.
        """
        if self.rank == 0 and min(columns[0].shape[2:]) > 4:
            rows = torch.cat([column.float().cpu() for column in columns], dim=3)
            if rows.shape[1] not in (1, 3):
                rows = torch.cat(rows.split(1, dim=1), dim=3)
            folder = self.folder / "samples"
            folder.mkdir(exist_ok=True)
            data = BytesIO()
            to_image(rows.transpose(0, 1).flatten(1, 2)).save(data, format="PNG")
            write_atomic(folder / f"{step:07d}.png", data.getvalue())

    @property
    def weights(self) -> Path:
        """The file of weights that ``keep`` writes."""
        return self.folder / WEIGHTS

    def keep(self, network: nn.Module, step: int, **figures: float) -> None:
        """Write the weights in half precision, with metadata: configuration, images, time and scores."""
        from safetensors.torch import save

        self._check_finite(step)
        card = {
            **self.about,
            **self.config,
            **getattr(network, "metadata", {}),
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
    def _feed(self) -> Feed:
        return Feed(self.images, self.device, self.seed, self.rank, self.processes)

    @cached_property
    def _scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == "float16")

    def _flush(self, step: int) -> None:
        """Write the means of the losses since the last line."""
        self._last = {name: sum(values) / len(values) for name, values in self._losses().items()}
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
            write_atomic(self.folder / STATE, save(dict(self._state.tensors()), meta))
        self._saved = step

    def _spent(self) -> float:
        """Seconds of training, interrupted sessions included."""
        return self._seconds + time.perf_counter() - self._begin

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
        self._state.fill(tensors)
        self._scaler.load_state_dict(json.loads(meta["scaler"]))
        step, self._seconds = int(meta["step"]), float(meta["seconds"])
        if self.rank == 0:
            self._cut_log(step)
        return step

    def _cut_log(self, step: int) -> None:
        """Remove the lines of the log after a step, which will be written again."""
        log = self.folder / LOG
        written = log.read_text().splitlines() if log.is_file() else []
        lines = [json.loads(line) for line in written if line.endswith("}")]
        text = "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step)
        write_atomic(log, text.encode())
