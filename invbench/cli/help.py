"""The help of the commands: a sentence for each, in groups, and the options of 'invbench run'."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invbench.plugins import Catalog


HELP = {
    "Run": {
        "run": "Run solvers on tasks, print the table, draw it.",
        "restore": "Restore measurements of your own.",
        "plan": "Forecast the cost of a run.",
        "bench": "Measure the cost of solvers, one at a time.",
        "tune": "Choose a solver's options on other images.",
        "train": "Train a solver or a prior.",
        "sample": "Draw images from a prior.",
        "rescore": "Add missing scores to records.",
    },
    "Read": {
        "table": "Print tables of the records.",
        "figure": "Draw pictures or charts of the records.",
        "report": "Write one HTML page of the records.",
        "leaderboard": "Write one HTML page of several people's records.",
        "versus": "Compare two solvers on the same images.",
        "compare": "Compare two results folders, for regression tests.",
        "explain": "Print the provenance of a cell's numbers.",
        "verify": "Verify a cell's files, and solve some images again.",
        "release": "Write records to share.",
        "publish": "Publish records on the Hugging Face Hub, or in a folder.",
    },
    "Paper": {
        "claims": "Compare the paper's statements with the records.",
    },
    "Plugins": {
        "list": "List the plugins that are installed.",
        "info": "Describe a plugin, its options and its cost.",
        "check": "Run the conformance tests on a plugin.",
        "new": "Start a plugin of your own.",
        "fetch": "Download weights, or list what there is.",
    },
    "Shell": {
        "completion": "Complete commands and names with the tab key.",
    },
}


def run_help(catalog: Catalog) -> str:
    from dataclasses import fields

    from invbench.harness.options import HELP, RunConfig

    defaults = {f.name: f.default for f in fields(RunConfig)}
    names = {kind: ", ".join(sorted(catalog.plugins[kind])) for kind in ("solver", "task", "dataset", "prior")}
    lines = [
        "Usage: invbench run solver=NAME task=NAME [key=value ...]",
        "",
        "Runs a solver on a task, prints the table of all records on the same measurements, and draws the images.",
        "Complete cells are not run again; interrupted ones resume at the next image.",
        "",
        "Plugins:",
        f"  benchmark={', '.join(sorted(catalog.benchmarks))}  (photos)",
        *(f"  {kind}={listed}" for kind, listed in names.items()),
        "  Their options are set as solver.nfe=50 or task.noise='gaussian 0.1 [0,1]'; see 'invbench info NAME'.",
        "",
        "Options:",
        *(f"  {key:<22} {text}" for key, text in ((f"{k}={defaults[k]}", v) for k, v in HELP.items())),
        "",
        "Several values make a sweep: invbench run solver=ddrm,wiener task=sr4,denoise seed=0,1",
        "shards=8 divides the images of each cell among processes, on other machines with",
        "hydra/launcher=submitit_slurm, ray or joblib, which also run sweeps (pip install 'invbench[submitit]',",
        "'invbench[ray]' or 'invbench[joblib]'). --cfg job shows the composed configuration,",
        "--wide does not fold tables.",
    ]
    return "\n".join(lines)
