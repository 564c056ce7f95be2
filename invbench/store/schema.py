"""The JSON files of a results folder as types, which check what is read. Each field is explained in docs/records.md.

``Run`` is ``run.json``, ``ScoredSet`` a part of ``sets.json``, ``Bench`` is ``bench-<solver>.json``; a row of
``records.jsonl`` is ``Record`` in ``files.py``. Defaults are what older files lack.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

import msgspec

FORMAT = 2
KINDS = ("task", "dataset", "prior", "solver")  # kinds of plugins in a configuration
Status = Literal["complete", "skipped", "running", "interrupted", "failed"]  # statuses of a cell, from good to bad
Natural = Annotated[int, msgspec.Meta(ge=0)]
Number = int | float  # the value as it was written
if TYPE_CHECKING:
    JSON: TypeAlias = Union[bool, int, float, str, list["JSON"], dict[str, "JSON"], None]  # noqa: UP007
else:
    JSON = Any  # msgspec reads no type that is defined by itself


class Preset(msgspec.Struct, frozen=True):
    """A benchmark."""

    name: str
    version: int = 0


class Part(msgspec.Struct, frozen=True):
    """A task, dataset, prior or solver: its name, its options, and the SHA-256 of its files if it has any.

    In JSON, the options stand beside the name.
    """

    name: str
    options: dict[str, JSON] = {}
    sha256: str | None = None

    def plain(self) -> dict[str, JSON]:
        """As JSON."""
        return {"name": self.name, **self.options, **({} if self.sha256 is None else {"sha256": self.sha256})}

    @property
    def noise(self) -> str:
        """The noise of a task, or "" if it was not recorded."""
        return str(self.options.get("noise", ""))


class Config(msgspec.Struct, frozen=True):
    """What determines a cell's numbers."""

    benchmark: Preset
    task: Part
    dataset: Part
    prior: Part
    solver: Part
    seed: int
    samples: Annotated[int, msgspec.Meta(ge=1)]
    plugins: dict[str, str] = {}  # versions of plugins, by distribution
    assumed: str = ""  # the noise level that the solver was given if the noise hides its own

    @property
    def place(self) -> Path:
        """The path of its cells in a results folder: benchmark, task."""
        return Path(self.benchmark.name) / self.task.name

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Task, dataset, prior and solver, by kind."""
        for kind in KINDS:
            yield kind, getattr(self, kind)

    def plain(self) -> dict[str, JSON]:
        """As JSON."""
        return {
            "benchmark": {"name": self.benchmark.name, "version": self.benchmark.version},
            **{kind: part.plain() for kind, part in self.parts()},
            "seed": self.seed,
            "samples": self.samples,
            "plugins": {**self.plugins},
            **({"assumed": self.assumed} if self.assumed else {}),
        }

    def digest(self) -> str:
        """SHA-256 of the JSON, whose start is the cell's id."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()


class Cost(msgspec.Struct):
    """The total cost of a cell: seconds by kind of work, network calls, and the process's peak memory."""

    solve_seconds: Number = 0.0
    forward_seconds: Number = 0.0
    backward_seconds: Number = 0.0
    operator_seconds: Number = 0.0
    prepare_seconds: Number = 0.0
    compile_seconds: Number = 0.0
    nfe_forward: Number = 0
    nfe_backward: Number = 0
    peak_bytes: Number = 0

    def __add__(self, other: Cost) -> Cost:
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__struct_fields__}
        return Cost(**{name: max(pair) if name == "peak_bytes" else sum(pair) for name, pair in pairs.items()})


class Session(msgspec.Struct):
    """One session of work on a cell, by one command."""

    command: str = ""
    started: str = ""
    finished: str | None = None
    batch_size: int = 0
    n: int = 0
    shard: tuple[int, int] = (0, 1)
    device: str = "unknown"
    threads: int = 0
    platform: str = "unknown"
    python: str = "unknown"
    packages: dict[str, str] = {}
    commit: str | None = None
    dirty: bool | None = None
    code: dict[str, str] = {}  # SHA-256 of the source of solver and task


class Training(msgspec.Struct, frozen=True):
    """How trained weights were made: the command, its iterations, seconds and machine, and the data."""

    command: str = ""
    step: Number | None = None
    seconds: float = 0.0
    machine: str = ""
    dataset: JSON = None


class Run(msgspec.Struct):
    """``run.json``."""

    format: int
    cell: str
    config: Config
    cost: Cost = msgspec.field(default_factory=Cost)
    sessions: list[Session] = []
    status: Status = "failed"
    reason: str | None = None
    images: Natural = 0
    places: dict[str, str] = {}  # where files were found, by option
    origins: dict[str, str] = {}  # source of the value of each of the solver's options
    training: Training | None = None  # of a trained solver
    traceback: str | None = None  # of a cell that failed

    @property
    def named(self) -> dict[str, str]:
        """Entries of ``places`` that name shipped files, such as ``solver.weights=variational``."""
        return {key: place for key, place in self.places.items() if Path(place).stem == place}

    def plain(self) -> dict[str, JSON]:
        """As JSON."""
        fields: dict[str, JSON] = msgspec.to_builtins(self)
        empty = [key for key in ("training", "traceback") if fields[key] is None]
        return {**{k: v for k, v in fields.items() if k not in empty}, "config": self.config.plain()}


class Score(msgspec.Struct, frozen=True):
    """A metric of a set of ``n`` images, with its 95 % interval; nan, which is null in JSON, if it has none.

    ``without`` are the values without each group of images in turn, in the order in which groups first come, if the
    metric has them.
    """

    metric: str
    protocol: str
    unit: str
    value: float
    low: float
    high: float
    n: int = 0
    without: list[float] = []


class ScoredSet(msgspec.Struct, frozen=True):
    """Images and their scores as a set; ``sets.json`` holds several, by the digest of the images' names."""

    images: list[str]
    scores: list[Score]

    def plain(self) -> dict[str, JSON]:
        """As JSON."""
        scores = [
            {k: v for k, v in msgspec.to_builtins(score).items() if k != "n" and v != []} for score in self.scores
        ]
        return {"images": [*self.images], "scores": [*scores]}


class BenchCost(msgspec.Struct, frozen=True):
    """Cost of one image: seconds (median, quartiles), calls, arithmetic; set-up time, and the process's peak memory.

    ``gflops`` counts a multiply-add as two, over the whole solve with its backward passes; Fourier transforms are not
    counted. ``fvcore`` is the convention of the paper's Table 13: forward calls alone, a multiply-add as one; None
    where the arithmetic of the prior's network is not known. ``matmul_gflops`` a second is the speed of a large matrix
    product in the network's precision, measured alongside: a solve can hardly be faster than ``gflops`` at that speed.
    """

    solver: str
    batch: int
    repeats: int
    seconds: float
    low: float
    high: float
    forward: float
    backward: float
    gflops: float
    fvcore: float | None
    operator_share: float
    peak_mib: float
    matmul_gflops: float = 0.0
    setup: float = 0.0  # seconds that preparing the solver takes, once a cell, not timed with the solves


class Bench(msgspec.Struct, frozen=True):
    """``bench-<solver>.json``: a cost measured by ``invbench bench``, with configuration and session."""

    config: Config
    cost: BenchCost
    session: Session

    @property
    def names(self) -> tuple[str, str, str]:
        """Benchmark, task and solver."""
        return self.config.benchmark.name, self.config.task.name, self.config.solver.name

    @property
    def setting(self) -> str:
        """Device, threads and batch: seconds of two settings are not comparable."""
        threads = "1 thread" if self.session.threads == 1 else f"{self.session.threads} threads"
        return f"{self.session.device}, {threads}, batch {self.cost.batch}"

    def plain(self) -> dict[str, JSON]:
        """The content as JSON, with its SHA-256."""
        cost, session = msgspec.to_builtins(self.cost), msgspec.to_builtins(self.session)
        return signed({"config": self.config.plain(), "cost": cost, "session": session})


def signed(content: Mapping[str, JSON]) -> dict[str, JSON]:
    """The same with the SHA-256 of its content."""
    unsigned = {key: value for key, value in content.items() if key != "sha256"}
    return {**unsigned, "sha256": hashlib.sha256(json.dumps(unsigned, sort_keys=True).encode()).hexdigest()}
