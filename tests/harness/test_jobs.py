"""Cells in processes of their own: shards here, and what is told of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import called
from made import made_run
from sharding import assert_same, install_mortal, sessions

from invbench.errors import PluginError
from invbench.harness.choices import choices
from invbench.harness.jobs import _Heard
from invbench.harness.request import Request
from invbench.plugins import load_catalog

GMM = ["run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=6", "batch_size=2", "solver.nfe=3"]


@pytest.mark.long
def test_local_processes_run_shards_and_where_one_dies_it_alone_is_run_again(tmp_path: Path) -> None:
    site = install_mortal(tmp_path / "site")
    words = ["run", "solver=mortal", *GMM[2:6], f"solver.file={tmp_path}/died"]
    died = called([*words, "shards=2", "out=sharded"], tmp_path, site=site)
    assert died.returncode == 1
    named = re.findall(
        r"^error: gmm/denoise/mortal, shard (\d)/2: crashed: the process was killed by SIGKILL$", died.stderr, re.M
    )
    assert len(named) == 1, died.stderr
    assert re.search(rf"images are missing, those of shard {named[0]}/2; the same command runs them alone", died.stderr)
    assert "gmm/denoise/pinv: complete, 6 images" in died.stderr
    again = called([*words, "shards=2", "out=sharded"], tmp_path, site=site)
    assert again.returncode == 0, again.stderr
    assert sorted(sessions(tmp_path / "sharded", "mortal")) == [1, 2]
    assert called([*words, "out=whole"], tmp_path, site=site).returncode == 0
    assert_same(tmp_path / "whole", tmp_path / "sharded", 2)


def test_a_process_that_ended_before_its_cell_began_is_the_plugins_fault() -> None:
    heard = _Heard(lambda kind, content: None)
    (choice,) = choices(["solver=pinv", "task=sr4"], load_catalog())
    with pytest.raises(PluginError, match="photos/sr4/pinv: its process, or a plugin in it, was killed"):
        heard.failed(Request(choice, "", ""), "was killed")


def test_what_a_process_told_before_it_ended_is_recorded_and_passed_on(tmp_path: Path) -> None:
    told: list[tuple[str, object]] = []
    heard = _Heard(lambda *event: told.append(event))
    (choice,) = choices(["solver=pinv", "task=sr4"], load_catalog())
    events = [("begin", (tmp_path / "c", made_run({}, cell="c"))), ("progress", (3, 8)), ("stage", "lpips_vgg")]
    for event in events:
        heard(*event)
    assert told == events
    assert heard.stage == "lpips_vgg"
    outcome = heard.failed(Request(choice, "", ""), "was killed").outcome
    assert (outcome.status, outcome.images, outcome.reason, outcome.cell) == ("failed", 3, "was killed", "c")
    assert json.loads((tmp_path / "c" / "run.json").read_text())["status"] == "failed"
