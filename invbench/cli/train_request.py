"""The request of ``invbench train``, and its help. Does not import torch, so that mistakes are reported at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from invbench.cli.combinations import combinations
from invbench.errors import ConfigError, unknown
from invbench.harness.nodes import typed
from invbench.harness.overrides import split
from invbench.harness.places import folder
from invbench.prior import TrainablePrior
from invbench.schedule import stride_grid
from invbench.solver import Trainable

if TYPE_CHECKING:
    from invbench.plugins import Catalog

EXAMPLE = "invbench train solver=davi task=sr4"
KINDS = ("solver", "task", "prior", "dataset")


@dataclass(frozen=True)
class TrainConfig:
    """Options of ``invbench train`` besides the plugins' own."""

    benchmark: str = "photos"
    seed: int = 0
    device: str = "auto"
    dtype: str = "float32"
    compile: bool = False
    save_every: int = 500
    out: str = "results/train"
    folder: str = ""
    samples: int = 0
    samples_nfe: int = 100
    track: str = ""

    def __post_init__(self) -> None:
        if self.save_every < 1:
            raise ConfigError(f"save_every must be at least 1; got {self.save_every}")
        for key in ("samples", "seed"):
            if getattr(self, key) < 0:
                raise ConfigError(f"{key} must be at least 0; got {getattr(self, key)}")
        stride_grid(self.samples_nfe)


HELP = {
    "benchmark": "the preset that fixes prior, image size and task",
    "seed": "seed of the initial weights and of every draw",
    "device": "auto, cpu, cuda, cuda:1",
    "dtype": "of network calls: float32, tf32 (GPUs), bfloat16, float16; auto: bfloat16 if the hardware has it",
    "compile": "true: torch.compile of the networks, takes a minute or two at the start; pays off only on GPUs",
    "save_every": "steps between checkpoints, validations and sample pictures",
    "out": "folder of trainings; each has a subfolder, named by a hash of its configuration",
    "folder": "folder of this training; refused if it holds a checkpoint of another training",
    "samples": "train on this many images drawn from the prior (DAVI-G), as by 'invbench sample'; 0: on the dataset",
    "samples_nfe": "network calls per drawn image",
    "track": "trackers that follow the training, such as wandb or wandb,mlflow; does not change weights",
}


OWN = tuple(f.name for f in dataclasses.fields(TrainConfig))


@dataclass(frozen=True)
class Request:
    """The user's overrides by plugin kind: the name, if given, and fields."""

    names: Mapping[str, str]
    fields: Mapping[str, Mapping[str, Any]]
    variants: Mapping[str, str]
    options: TrainConfig = field(default_factory=TrainConfig)
    words: tuple[str, ...] = ()  # as they were written
    given: frozenset[str] = frozenset()  # options that were written
    dry_run: bool = False

    @property
    def title(self) -> str:
        """Benchmark, and task and solver or prior."""
        named = [self.names[kind] for kind in ("task", "solver", "prior") if kind in self.names]
        return "/".join([self.options.benchmark, *named])

    @classmethod
    def parse_all(cls, overrides: Sequence[str], catalog: Catalog, dry_run: bool = False) -> list[Request]:
        """A request for each combination of values. Raises ConfigError as ``parse`` does, or if all share a folder."""
        jobs = combinations(overrides, EXAMPLE, {kind: catalog.plugins[kind] for kind in KINDS})
        requests = [cls.parse(words, dry_run) for words in jobs]
        folders = [request.options.folder for request in requests if request.options.folder]
        if len(set(folders)) < len(folders):
            raise ConfigError(
                "folder=FOLDER is for a single training; the trainings of a sweep have subfolders of out=FOLDER"
            )
        return requests

    @classmethod
    def parse(cls, overrides: Sequence[str], dry_run: bool = False) -> Request:
        """The request of these arguments. Raises ConfigError for one that is not key=value, or an unknown key."""
        pairs = dict(split(overrides, EXAMPLE))
        _refuse_unknown(pairs)
        variants = {key[1:]: value for key, value in pairs.items() if key.startswith("+")}
        fields = {kind: _below(f"{kind}.", pairs) for kind in (*KINDS, "training")}
        names = {kind: pairs[kind] for kind in KINDS if kind in pairs}
        options = typed(TrainConfig, {key: pairs[key] for key in OWN if key in pairs}, "train")
        folder(options.out)
        if options.folder:
            folder(options.folder, "folder")
        return cls(names, fields, variants, options, tuple(overrides), frozenset(pairs), dry_run)


def _below(prefix: str, pairs: Mapping[str, str]) -> dict[str, Any]:
    """The options whose name starts with the prefix, without the prefix."""
    return {key.removeprefix(prefix): value for key, value in pairs.items() if key.startswith(prefix)}


def _refuse_unknown(keys: Iterable[str]) -> None:
    """Raise ConfigError for a key that a training does not have."""
    for key in keys:
        kind, dot, _ = key.partition(".")
        known = (*KINDS, "training") if dot else (*OWN, *KINDS)
        if kind not in known and not key.startswith("+"):
            raise ConfigError(unknown("option", kind, known))


def part(cls: type[Any], request: Request, kind: str, presets: Sequence[Mapping[str, Any]]) -> Any:
    """An instance with, in order of increasing precedence, defaults, values of presets, and values from the user."""
    values: dict[str, Any] = {}
    for preset in presets:
        values.update(preset)
    return typed(cls, {**values, **request.fields[kind]}, kind)


def help_text(catalog: Catalog) -> str:
    """What ``invbench train --help`` prints."""
    able = [n for n, p in sorted(catalog.plugins["solver"].items()) if issubclass(p.cls, Trainable)]
    priors = [n for n, p in sorted(catalog.plugins["prior"].items()) if issubclass(p.cls, TrainablePrior)]
    defaults = {f.name: f.default for f in dataclasses.fields(TrainConfig)}
    lines = [
        "Usage: invbench train solver=NAME task=NAME [key=value ...]",
        "       invbench train prior=NAME [key=value ...]",
        "",
        "Several values, such as task=sr4,deblur, choice(...), range(...) or glob(...), make several trainings;",
        "+experiment=NAME --config-dir DIR takes options from DIR/experiment/NAME.yaml.",
        "Trains with checkpoints: the same command resumes an interrupted training, and ends with the same weights.",
        "In its folder: weights.safetensors, state.safetensors, train.jsonl, losses.png, samples/.",
        "",
        f"  solver={', '.join(able)}",
        f"  prior={', '.join(priors)}",
        f"  dataset={', '.join(sorted(catalog.plugins['dataset']))}  (what to train on; presets name one)",
        "  Options of a training are set as training.steps=1000; see 'invbench info NAME'.",
        "",
        "Options:",
        *(f"  {f'{key}={defaults[key]}':<22} {text}" for key, text in HELP.items()),
        "  --dry-run              estimate time and memory, and print the folder",
        "  --wide                 do not fold tables to the terminal's width",
        "",
        "Several processes: accelerate launch --num_processes 2 -m invbench.cli train ...",
    ]
    return "\n".join(lines)
