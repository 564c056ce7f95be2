"""Jobs are what Hydra composes."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called

from invbench.harness.choices import choices
from invbench.harness.config import described
from invbench.plugins import load_catalog

HYDRA = "hydra.verbose=false"  # an option of its own, with which it composes the jobs


@pytest.mark.parametrize(
    "words",
    [
        ["solver=ddrm", "task=sr4"],
        ["solver=dps", "task=inpaint", "benchmark=gmm", "seed=3", "task.noise=gaussian 0.1 [0,1]"],
        ["solver=davi", "task=deblur", "settings=variational", "solver.temperature=0.5"],
        ["solver=pinv", "task=denoise", "dataset=folder", "dataset.root='a folder, of mine'", "prior=adm_photos"],
        ["task=sr4,deblur", "solver=ddrm,dps", "seed=range(0,2)", "solver.nfe=2", "benchmark=gmm"],
    ],
)
def test_choices_are_what_hydra_composes(words: list[str], tmp_path: Path) -> None:
    catalog = load_catalog()
    own = [described(choice, catalog).strip() for choice in choices(words, catalog)]
    shown = called(["run", "--cfg", "job", *words, HYDRA], tmp_path)
    assert shown.stdout.strip().split("\n---\n") == own
    assert called(["run", "--cfg", "job", *words], tmp_path).stdout == shown.stdout


@pytest.mark.long
def test_choices_of_every_plugin_are_what_hydra_composes(tmp_path: Path) -> None:
    catalog = load_catalog()
    kinds = {kind: catalog.plugins[kind] for kind in ("solver", "task", "dataset", "prior")}
    for kind, plugins in kinds.items():
        words = {"solver": "pinv", "task": "denoise", kind: ",".join(plugins)}
        pairs = [f"{key}={value}" for key, value in words.items()]
        own = [described(choice, catalog).strip() for choice in choices(pairs, catalog)]
        shown = called(["run", "--cfg", "job", *pairs, HYDRA], tmp_path)
        assert shown.stdout.strip().split("\n---\n") == own
        assert len(own) == len(plugins)
