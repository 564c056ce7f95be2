"""Claims of the paper, records of known verdicts, and how they are judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from made import made_run

from invbench.paper.claims import load_claims
from invbench.paper.outcomes import Finding
from invbench.paper.printed import Paper
from invbench.paper.verdicts import judge
from invbench.plugins import load_catalog
from invbench.store.files import LAST, Record, images_digest
from invbench.store.reader import LoadedCell

METRICS = load_catalog().for_tables()[0]
SOLVERS = Paper.load().layout.methods
CLAIMS = {c.id: c for c in load_claims()}
PROXIES = {c.id: c for c in load_claims(benchmark="photos")}
NFE = {"ddrm": 20, "davi": 1, "dps": 1000, "red_diff": 1000, "fps": 999}  # others 100
SPREAD = np.linspace(-2.0, 2.0, 1000)  # mean 0
CELL, ORDER = "cell/1/ffhq256/sr4/ddrm/psnr", "table8/ffhq256/sr4/psnr"  # 28.09; DAVI before FPS
BEST, SETS = "table1-psnr/ffhq256/sr4/psnr", "table8/ffhq256/sr4/fid"
MARGIN = "table1-deblur-margin/ffhq256/deblur_ddrm_tiled/lpips"  # DAVI ahead of DDRM by 0.044
RATIO = "seconds/ffhq256/sr4/ddrm"  # at least 20


def protocol(metric: str) -> str:
    return METRICS[metric].protocol if metric in METRICS else metric


def row(image: str, metric: str, value: float, y: str = "") -> Record:
    return Record("c", image, 0, metric, protocol(metric), value, unit="", y_sha256=y)


def cell_of(
    solver: str,
    benchmark: str = "ffhq256",
    task: str = "sr4",
    n: int = 1000,
    y: str = "",
    noise: str = "gaussian 0.05 [-1,1]",
    run: Mapping[str, Any] | None = None,
    batch: int = 1,
    seed: int = 0,
    **scores: Sequence[float] | float,
) -> LoadedCell:
    """A cell as the paper tier records it; scores are one for all images, or one for each."""
    prior = {"photos": "adm_photos"}.get(benchmark, f"adm_{benchmark}")
    config = {
        "benchmark": {"name": benchmark, "version": 1}, "dataset": {"name": benchmark}, "prior": {"name": prior},
        "task": {"name": task, "noise": noise}, "solver": {"name": solver}, "seed": seed, "samples": 1,
    }  # fmt: skip
    values = {"nfe_forward": NFE.get(solver, 100), "seconds": 1.0, LAST: 0.0, **scores}
    spread = {metric: np.broadcast_to(value, n) for metric, value in values.items()}
    rows = [row(f"{i:04d}", metric, float(v), y) for metric, vs in spread.items() for i, v in enumerate(vs)]
    sessions = [{"device": "gpu", "batch_size": batch}]
    whole = made_run(config, sessions=sessions, **(run or {}))
    return LoadedCell(f"{solver}-{seed}-{noise}", whole, rows, (Path("nowhere"),), 0)


def with_set(
    cell: LoadedCell, folder: Path, metric: str, value: float, half: float, n: int = 0, without: Sequence[float] = ()
) -> LoadedCell:
    """The cell with a score of its images, or of the first n, and without each of their groups."""
    path = folder / cell.id.replace("/", "")
    path.mkdir(parents=True)
    score = {"metric": metric, "protocol": protocol(metric), "value": value, "low": value - half, "high": value + half}
    score |= {"without": list(without)} if len(without) else {}
    sets = [cell.images, cell.images[:n]] if n else [cell.images]
    (path / "sets.json").write_text(json.dumps({images_digest(i): {"images": i, "scores": [score]} for i in sets}))
    return LoadedCell(cell.id, cell.run, cell.rows, (path,), 0)


def verdict(claim: str, *cells: LoadedCell, proxy: bool = False) -> str:
    return judged(claim, *cells, proxy=proxy).verdict


def judged(claim: str, *cells: LoadedCell, proxy: bool = False) -> Finding:
    return judge((PROXIES if proxy else CLAIMS)[claim], cells, METRICS)
