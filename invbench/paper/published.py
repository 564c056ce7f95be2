"""The tables of the DAVI paper (Lee et al., ECCV 2024) as printed, beside what is recorded here. No torch."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import pandas as pd

from invbench.analysis.comparable import interval_of, mean_of, most_default
from invbench.analysis.digits import format_interval
from invbench.analysis.table import Table, escape
from invbench.analysis.tables import absent
from invbench.errors import ConfigError
from invbench.metric import Metric
from invbench.noise import parse_noise
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.released import results_folder

SOURCE = "invbench_results"
TITLES = {
    1: "Table 1: FFHQ 256x256",
    2: "Table 2: ImageNet 256x256",
    3: "Table 3: unknown noise level, Gaussian deblurring, ImageNet 256x256",
    4: "Table 4: seconds per image, super-resolution, FFHQ 256x256",
    5: "Table 5: ablation, Gaussian deblurring, FFHQ 256x256",
    6: "Table 6: denoising",
    7: "Table 7: colorization",
    8: "Table 8: comparison with FPS",
    9: "Table 9: Poisson noise, FFHQ 256x256",
    10: "Table 10: trained on generated images, FFHQ 256x256",
    11: "Table 11: image-to-image translation, super-resolution",
    12: "Table 12: hyper-parameters",
    13: "Table 13: GFLOPs, super-resolution, FFHQ 256x256",
}
SOLVERS = {
    "DAVI": "davi",
    "DDRM": "ddrm",
    "DDNM+": "ddnm_plus",
    "DPS": "dps",
    "PiGDM": "pigdm",
    "DiffPIR": "diffpir",
    "RED-diff": "red_diff",
    "FPS": "fps",
}
TASKS = {
    "gaussian_deblur": "deblur_ddrm_tiled",
    "sr4x_avgpool": "sr4",
    "box_inpainting_center128": "inpaint",
    "denoising": "denoise",
    "colorization": "colorize",
}
LABELS = {
    "gaussian_deblur": "Gaussian deblur",
    "sr4x_avgpool": "4x SR",
    "box_inpainting_center128": "box inpainting",
    "FFHQ256": "FFHQ",
    "ImageNet256": "ImageNet",
}
TWINS = {"deblur_ddrm_tiled": "deblur"}  # on other benchmarks
BENCHMARKS = {"FFHQ256": "ffhq256", "ImageNet256": "imagenet256"}
PRIORS = {"ffhq256": "adm_ffhq256", "imagenet256": "adm_imagenet256"}
NOISE = {3: "uniform 0.01..0.1 [-1,1]", 9: "poisson 1.0"}  # where it is not the task's own:
ASSUMED = "0.05 [-1,1]"  # there, by solvers that need a level (C.2)
OWN_NOISE = {"denoise": "gaussian 0.2 [-1,1]"}
MOST_NOISE = "gaussian 0.05 [-1,1]"
CALLS = "nfe_forward"
SLACK = 0.01  # of NFE: whether the first or the last step calls the network is a matter of counting
GFLOPS = "gflops"
HYPERPARAMETERS = 12
METRICS = {
    "PSNR": "psnr",
    "LPIPS": "lpips_davi",
    "FID": "fid_legacy",
    "time_s_per_image": "seconds",
    "NFE": "nfe_forward",
    "GFLOPs": GFLOPS,
}
TWIN_METRICS = {  # on benchmarks where networks of LPIPS and FID say nothing, or have no weights
    "PSNR": "psnr",
    "LPIPS": "haarpsi",
    "FID": "swd",
    "time_s_per_image": "seconds",
    "NFE": "nfe_forward",
    "GFLOPs": GFLOPS,
}
HIGHER, LOWER = {"PSNR"}, {"LPIPS", "FID", "time_s_per_image", "GFLOPs"}
DRAWN = "DAVI-G"
MARKS = {  # of the best and the second best value of a column
    "text": ("*{}*", "_{}_"),
    "md": ("**{}**", "<u>{}</u>"),
    "latex": (r"\textbf{{{}}}", r"\underline{{{}}}"),
    "html": ("<b>{}</b>", "<u>{}</u>"),
    "csv": ("{}", "{}"),
}


def run_command(number: int, benchmark: str, solvers: Iterable[str], tasks: Iterable[str]) -> str:
    """What records cells for a table."""
    noise = f" task.noise='{NOISE[number]}' assume='{ASSUMED}'" if number in NOISE else ""
    return f"invbench run benchmark={benchmark} solver={','.join(solvers)} task={','.join(tasks)}{noise}"


def noise_of(table: int, task: str) -> str:
    """The noise of a task in a table, as tasks write it."""
    return NOISE.get(table) or OWN_NOISE.get(task, MOST_NOISE)


def departures(cell: LoadedCell, noise: str, dataset: str, prior: str, nfe: float | None) -> list[str]:
    """In what a cell departs from a protocol: noise as tasks write it, names, network calls where they are told."""
    config = cell.run.config
    found = {"noise": parse_noise(config.task.noise).label, "data set": config.dataset.name}
    wanted = {"noise": parse_noise(noise).label, "data set": dataset, "prior": prior, "assumed level": ASSUMED}
    found |= {"prior": config.prior.name, "assumed level": config.assumed or ASSUMED}
    told = [f"{key} {value}, not {wanted[key]}" for key, value in found.items() if value != wanted[key]]
    calls = sorted({r.value for r in cell.rows if r.metric == CALLS}) if nfe is not None else []
    if nfe is not None and any(abs(c - nfe) > SLACK * nfe for c in calls):
        told.append(f"NFE {'/'.join(f'{c:g}' for c in calls)}, not {nfe:g}")
    return told


@dataclass(frozen=True)
class Paper:
    """The printed numbers: rows of table, dataset, task, noise, method, nfe, metric, value (as printed) and note."""

    rows: tuple[Mapping[str, str], ...]

    @classmethod
    def load(cls) -> Paper:
        """From ``results/published/paper_tables.csv``."""
        text = (results_folder() / "published" / "paper_tables.csv").read_text(encoding="utf-8")
        return cls(tuple(csv.DictReader(text.splitlines())))

    def of(self, number: int) -> list[Mapping[str, str]]:
        """The rows of a table. Raises ConfigError where the paper has none of that number."""
        found = [r for r in self.rows if r["table"] == str(number)]
        if not found:
            raise ConfigError(f"the paper has tables 1 to {max(TITLES)}; got {number}")
        return found


@dataclass(frozen=True)
class View:
    """One table, beside the cells that reproduce it."""

    number: int
    rows: Sequence[Mapping[str, str]]
    cells: Sequence[LoadedCell]
    how: str
    unit: float = 0.0  # GFLOPs of a network call, in the paper's convention
    metrics: Mapping[str, type[Metric]] = field(default_factory=dict)  # those installed
    foreign: dict[str, None] = field(default_factory=dict)  # our cells of another protocol, told below the table
    protocols: dict[str, None] = field(default_factory=dict)  # of our numbers
    unscored: dict[str, None] = field(default_factory=dict)  # metrics that our cells lack
    filtered: bool = False  # cells were left out on purpose, so that nothing is said to be missing
    intervals: bool = False  # beside our means

    @cached_property
    def columns(self) -> list[tuple[str, str, str]]:
        """(dataset, task, metric), in the paper's order."""
        return list(dict.fromkeys((r["dataset"], r["task"], r["metric"]) for r in self.rows))

    @cached_property
    def printed(self) -> dict[tuple[str, str], dict[tuple[str, str, str], Mapping[str, str]]]:
        """Rows by method and NFE, then by column."""
        found: dict[tuple[str, str], dict[tuple[str, str, str], Mapping[str, str]]] = {}
        for r in self.rows:
            found.setdefault((r["method"], r["nfe"]), {})[r["dataset"], r["task"], r["metric"]] = r
        return found

    def table(self) -> Table:
        """Printed values with the best and second marked, each method followed by our row where there is one."""
        marks = {
            c: ranked(c[2], [by.get(c, {}).get("value", "") for by in self.printed.values()]) for c in self.columns
        }
        lines, missing, notes = [], set(), []
        for i, ((method, nfe), by) in enumerate(self.printed.items()):
            line = {"method": self.escaped(method), "NFE": self.escaped(nfe)}
            line |= {self.header(c): self.shown(by.get(c), marks[c][i]) for c in self.columns}
            lines.append(line)
            ours, lacking = self.ours(method, by)
            missing |= lacking
            lines += [ours] if ours else []
        notes.append(
            "Printed values; best bold, second underlined, ? doubtful. LPIPS, FID: lpips_davi, fid_legacy here."
        )
        notes += sorted({f"? {r['method']}, {r['task']}, {r['metric']}: {r['note']}" for r in self.rows if doubtful(r)})
        if self.unit:
            notes.append(
                f"Ours: network calls as counted in a run, times the {self.unit:.3f} G of a call of this network in "
                "fvcore's convention, counted without weights; no backward passes, as in the paper."
            )
        if self.protocols:
            notes.append(f"Ours: {'; '.join(self.protocols)}.")
        notes += [f"Recorded by another protocol, so not set beside it: {each}." for each in self.foreign]
        notes += [f"{metric}: {absent(metric, self.metrics)}." for metric in self.unscored]
        notes += () if self.filtered else self.commands(missing)
        return Table(TITLES[self.number], pd.DataFrame(lines), tuple(notes), raw=True)

    def hyperparameters(self) -> Table:
        """A row for each hyper-parameter, a column for each data set and task."""
        places = list(dict.fromkeys(c[:2] for c in self.columns))
        lines = []
        for metric in dict.fromkeys(c[2] for c in self.columns):
            (by,) = self.printed.values()
            names = {place: self.escaped(" ".join(LABELS.get(p, p) for p in place)) for place in places}
            cells = {name: by.get((*place, metric)) for place, name in names.items()}
            lines.append({"": self.escaped(metric), **{name: self.shown(row, 2) for name, row in cells.items()}})
        notes = [f"{r['dataset']}, {r['task']}, {r['metric']}: {r['note']}" for r in self.rows if r["note"]]
        notes.append("As set by the presets of ffhq256 and imagenet256: invbench info davi")
        return Table(TITLES[self.number], pd.DataFrame(lines), tuple(notes), raw=True)

    def header(self, column: tuple[str, str, str]) -> str:
        """What tells a column from the others, and which way is better."""
        parts = [v for i, v in enumerate(column[:2]) if len({c[i] for c in self.columns}) > 1]
        arrow = " ↑" if column[2] in HIGHER else " ↓" if column[2] in LOWER else ""
        return self.escaped(" ".join([*(LABELS.get(p, p) for p in parts), column[2]])) + arrow

    def shown(self, row: Mapping[str, str] | None, rank: int) -> str:
        """A printed value with its mark; "-" where the paper has none."""
        if row is None:
            return "-"
        text = self.escaped(row["value"]) + (" ?" if doubtful(row) else "")
        return MARKS[self.how][rank].format(text) if rank < 2 else text

    def escaped(self, text: str) -> str:
        """The text as the table's format has it."""
        return text if self.how == "csv" else escape(text, self.how)  # csv is escaped when it is printed

    def ours(
        self, method: str, by: Mapping[tuple[str, str, str], Mapping[str, str]]
    ) -> tuple[dict[str, str] | None, set[tuple[str, str, str]]]:
        """Our row of a method with differences, and what was not run: (benchmark, solver, task)."""
        line: dict[str, str] = {}
        lacking: set[tuple[str, str, str]] = set()
        counts: set[int] = set()
        for column, row in by.items():
            metric = METRICS.get(column[2])
            solver, benchmark, task = SOLVERS.get(method), BENCHMARKS[column[0]], TASKS[column[1]]
            if solver is None or metric is None:
                continue
            counted = self.unit and metric in (GFLOPS, CALLS)
            cell = self.calls(task, solver) if counted else self.find(benchmark, task, solver)
            if cell and not counted and (others := self.departures(cell, benchmark, task, row["nfe"])):
                self.foreign[f"{method}, {benchmark} {task}: {', '.join(others)}"] = None
                cell = None
            value = self.value(cell, metric)
            if cell is not None and value is None and metric in self.metrics:
                self.unscored[metric] = None
                continue
            if cell is None or value is None:
                lacking.add((benchmark, solver, task))
                continue
            counts.add(len(cell.images))
            self.protocols.update({r.protocol: None for r in cell.rows if r.metric == metric and r.protocol != metric})
            self.protocols.update({s.protocol: None for s in cell.sets if s.metric == metric})
            difference = value - float(row["value"])
            line[self.header(column)] = f"{self.text(cell, metric, value)} ({difference:+.3g})"
        if not line:
            return None, lacking
        headers = [self.header(c) for c in self.columns]
        n = "/".join(map(str, sorted(counts)))
        return {"method": f"  ours, n={n}", "NFE": "", **{h: line.get(h, "-") for h in headers}}, lacking

    def text(self, cell: LoadedCell, metric: str, value: float, images: Collection[str] | None = None) -> str:
        """Our value, with its 95 % interval where these are wanted."""
        low, high = interval_of(cell, metric, images) if self.intervals else (math.nan, math.nan)
        return format_interval(metric, value, low, high, self.metrics)

    def value(self, cell: LoadedCell | None, metric: str) -> float | None:
        """A cell's mean; of arithmetic, its network calls times that of a call."""
        if cell is None or metric != GFLOPS:
            return mean_of(cell, metric) if cell else None
        calls = mean_of(cell, "nfe_forward")
        return None if calls is None else calls * self.unit

    def calls(self, task: str, solver: str) -> LoadedCell | None:
        """A cell of any benchmark in which the solver's network calls were counted."""
        names = {c.run.config.benchmark.name for c in self.cells}
        found = [cell for name in names if (cell := self.find(name, task, solver))]
        return max(found, key=most_default, default=None)

    def find(self, benchmark: str, task: str, solver: str) -> LoadedCell | None:
        """Our cell that stands for a solver: of the table's noise, and of several the nearest to the default."""
        found = [
            c
            for c in self.cells
            if c.images
            and (c.run.config.benchmark.name, c.run.config.task.name) == (benchmark, task)
            and c.run.config.solver.name == solver
            and self.of_its_noise(c.run.config.task.noise)
        ]
        return max(found, key=most_default, default=None)

    def departures(self, cell: LoadedCell, benchmark: str, task: str, nfe: str) -> list[str]:
        """In what a cell differs from the printed row, so that no difference of theirs means anything."""
        calls = float(nfe) if nfe else None
        return departures(cell, noise_of(self.number, task), benchmark, PRIORS[benchmark], calls)

    def of_its_noise(self, noise: str) -> bool:
        """Whether a task's noise is that of the table: its own, or else a level that the solver is told."""
        wanted = NOISE.get(self.number)
        return noise == wanted if wanted else not noise.startswith(("uniform", "poisson"))

    def commands(self, missing: set[tuple[str, str, str]]) -> list[str]:
        """What makes the cells that were not run."""
        lines = []
        for benchmark in sorted({m[0] for m in missing}):
            solvers, tasks = (sorted({m[i] for m in missing if m[0] == benchmark}) for i in (1, 2))
            command = run_command(self.number, benchmark, solvers, tasks)
            lines.append(f"Not recorded here; made by: {command}")
        foreign = sorted({method for method, _ in self.printed if method not in SOLVERS})
        if self.number == 5:
            task = TASKS[self.rows[0]["task"]]
            train = f"invbench train solver=davi benchmark=ffhq256 task={task} +ablation=a"
            lines.append(f"Made by, for each of a to f: {train}, and the command that it prints.")
        elif foreign == [DRAWN]:
            lines.append(f"{DRAWN} is davi trained on images that 'invbench sample' draws.")
        elif foreign:
            lines.append(f"No solver here: {', '.join(foreign)}.")
        return lines


def paper_table(
    number: int,
    cells: Sequence[LoadedCell],
    how: str,
    unit: float = 0.0,
    metrics: Mapping[str, type[Metric]] = MappingProxyType({}),
    filtered: bool = False,
    intervals: bool = False,
) -> Table:
    """A published table in the paper's layout, beside our numbers. Raises ConfigError for another number.

    ``metrics`` are those installed, for what to do where a record lacks one. ``unit`` are the GFLOPs of a network call,
    by which calls that were counted on any benchmark are multiplied. ``filtered`` cells leave out some on purpose;
    ``intervals`` of 95 % stand beside our means.
    """
    view = View(number, Paper.load().of(number), cells, how, unit, metrics, filtered=filtered, intervals=intervals)
    return view.hyperparameters() if number == HYPERPARAMETERS else view.table()


def with_released(own: Sequence[LoadedCell], part: str = "", **wanted: str) -> list[LoadedCell]:
    """Our own cells, and the released ones (``results/reference``) that ours do not hold as many images of.

    ``part`` is a folder of it with a store of its own, as that of the ablations.
    """
    images = {cell.id: len(cell.images) for cell in own}
    released = load_cells(results_folder() / "reference" / part, **wanted)
    added = [cell for cell in released if len(cell.images) > images.get(cell.id, 0)]
    return [*(c for c in own if c.id not in {a.id for a in added}), *added]


def doubtful(row: Mapping[str, str]) -> bool:
    """Whether the cell is marked so."""
    return row["note"].startswith("DOUBTFUL")


def ranked(metric: str, values: Sequence[str]) -> list[int]:
    """0 for the best of printed values, 1 for the second best, 2 for others and where no order is known."""
    if metric not in HIGHER | LOWER:
        return [2] * len(values)
    numbers = [float(v) if v else None for v in values]
    order = sorted({n for n in numbers if n is not None}, reverse=metric in HIGHER)[:2]
    return [order.index(n) if n in order else 2 for n in numbers]
