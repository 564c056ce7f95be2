"""A training by two processes that was cut off resumes to the weights of one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invbench.weights import read_tensors

WORK = """
import sys
from accelerate import PartialState
from invbench.cli.train_plan import build
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog

state = PartialState(cpu=True)
words = ["solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8", "training.steps=8", "save_every=3"]
plan = build(Request.parse([*words, "device=cpu", f"folder={sys.argv[1]}"]), load_catalog())
training, steps, stop = plan.training, plan.training.steps, int(sys.argv[2])
assert training.processes == 2

def cut(*args):
    for step in steps(*args):
        if step == stop:
            raise EOFError
        yield step

training.steps = cut
try:
    plan.fit(training)
except EOFError:
    print("cut off")
state.destroy_process_group()
"""


def launch(script: Path, folder: Path, stop: int) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29873"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    words = [*command, str(script), str(folder), str(stop)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_training_by_two_processes_resumes_to_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    launch(script, tmp_path / "whole", -1)
    assert "cut off" in launch(script, tmp_path / "cut", 5)
    launch(script, tmp_path / "cut", -1)
    whole, resumed = (read_tensors(tmp_path / name / "state.safetensors")[1] for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
