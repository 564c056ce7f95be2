"""Images in shards, run by a launcher's workers, and joined to the bits of the unsharded run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sharding import assert_same, cells, install_mortal, sessions

Call = Callable[..., Any]
GMM = ["run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=6", "batch_size=2", "solver.nfe=3"]
INLINE = ["isolate=false", "hydra/launcher=inline"]  # of tests/hydra_plugins
OPTIONS = {"submitit_local": "submitit", "ray": "ray", "joblib": "joblib"}  # launchers, and what they come with


def tables(text: str) -> list[str]:
    """The rows of tables, but for the time in their last column, by which rows of equal calls are in order."""
    return sorted(line.rpartition("  ")[0] for line in text.splitlines() if re.match(r"\w+ +\d+ ", line))


@pytest.mark.long
def test_what_workers_run_in_shards_is_the_unsharded_run_bit_for_bit(invbench: Call, tmp_path: Path) -> None:
    whole = invbench(*GMM, "out=whole")
    sharded = invbench(*GMM, "shards=3", "out=sharded", *INLINE)
    assert (whole.returncode, sharded.returncode) == (0, 0), sharded.stderr
    assert_same(tmp_path / "whole", tmp_path / "sharded", 3)
    assert tables(sharded.stdout) == tables(whole.stdout)
    assert len(tables(sharded.stdout)) == 3
    assert os.listdir(tmp_path / "sharded") == ["gmm"], "neither Hydra nor the launcher leaves a file"


@pytest.mark.long
def test_a_worker_that_dies_is_named_and_its_shard_alone_is_run_again(invbench: Call, tmp_path: Path) -> None:
    words = [*GMM, "shards=3", "references=false", "isolate=false"]
    died = invbench(*words, "hydra/launcher=dying")
    assert died.returncode == 1
    assert "launcher dying: RuntimeError: worker 7 was lost; its files are in " in died.stderr
    assert "gmm/denoise/ddrm: failed, 4 images" in died.stderr
    assert "2 of 6 images are missing, those of shard 2/3; the same command runs them alone" in died.stderr
    assert "Traceback" not in died.stderr
    again = invbench(*words, "hydra/launcher=inline")
    assert again.returncode == 0, again.stderr
    assert sessions(tmp_path / "results/runs", "ddrm") == [1, 1, 1]
    assert len(tables(again.stdout)) == 1


def test_what_a_worker_refuses_is_told_with_its_shard(invbench: Call, tmp_path: Path) -> None:
    result = invbench(*GMM, "shards=2", "device=abacus", "references=false", *INLINE)
    assert result.returncode == 1
    for i in (0, 1):
        assert f"error: gmm/denoise/ddrm, shard {i}/2: device 'abacus' is not available" in result.stderr


def test_a_shard_that_failed_counts_no_more_once_other_shards_have_its_images(invbench: Call, tmp_path: Path) -> None:
    words = [*GMM, "references=false", "isolate=false"]
    assert invbench(*words, "shards=3", "hydra/launcher=dying").returncode == 1
    (path,) = (tmp_path / "results/runs").glob("*/*/*.shard-1-of-3/run.json")
    path.write_text(path.read_text().replace('"complete"', '"failed"'))
    assert invbench(*words, "shards=2", "hydra/launcher=inline").returncode == 0
    (cell,) = cells(tmp_path / "results/runs").values()
    assert cell.run.status == "complete"
    assert len(cell.images) == 6


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["shards=0"], "shards: expected one number of parts, 1 to 10,000, for example shards=8; got 0"),
        (["shards=2,4"], "shards: expected one number of parts, 1 to 10,000, for example shards=8; got 2,4"),
        (["shards=2", "shard=0/2"], "shards=2 runs all shards; leave shard out, or write shard=0/2 alone"),
        (["shards=x"], "shards: expected a value of type int, got 'x'"),
        (["shards=2", "hydra/launcher=inlin"], "unknown launcher 'inlin'; did you mean 'inline'"),
    ],
)
def test_shards_that_are_none_are_refused(extra: list[str], said: str, invbench: Call, tmp_path: Path) -> None:
    result = invbench(*GMM, *extra)
    assert result.returncode == 2
    assert said in result.stderr
    assert not (tmp_path / "results").exists()


def command(words: list[str], cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose workers find what lies in ``site``, too."""
    environment = {**os.environ, "PYTHONPATH": str(site), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    call = [sys.executable, "-m", "invbench.cli", *words]
    return subprocess.run(call, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", OPTIONS)
def test_workers_of_a_real_launcher(launcher: str, tmp_path: Path) -> None:
    """A shard dies, and takes its worker along, which the launcher may run again by itself; then all is whole."""
    if not find_spec("hydra_plugins") or not find_spec(f"hydra_plugins.hydra_{OPTIONS[launcher]}_launcher"):
        pytest.skip(f"launcher {launcher} is not installed: pip install 'invbench[{OPTIONS[launcher]}]'")
    site = install_mortal(tmp_path / "site")
    words = ["run", "solver=mortal", *GMM[2:6], f"solver.file={tmp_path}/died"]
    sharded = [*words, "shards=2", "out=sharded", "isolate=false", f"hydra/launcher={launcher}"]
    died = command(sharded, tmp_path, site)
    assert "Traceback" not in died.stderr, died.stderr
    if died.returncode:
        assert f"error: launcher {launcher}: " in died.stderr
        assert re.search(r"gmm/denoise/mortal: failed.*\n.*are missing, those of shard .*; the same", died.stderr)
    again = command(sharded, tmp_path, site)
    assert again.returncode == 0, again.stderr
    assert len(tables(again.stdout)) == 3
    assert command([*words, "out=whole"], tmp_path, site).returncode == 0
    assert_same(tmp_path / "whole", tmp_path / "sharded", 2)
    clean = command([*sharded[:-3], "out=clean", *sharded[-2:]], tmp_path, site)
    assert clean.returncode == 0, clean.stderr
    assert os.listdir(tmp_path / "clean") == ["gmm"]
