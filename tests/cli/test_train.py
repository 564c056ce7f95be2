"""invbench train solver=NAME, in a temporary folder: weights that run, and resuming after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
import torch
from command import called as invbench

from invbench.cli.train import out_of_memory
from invbench.plugins import load_catalog
from invbench.weights import read_tensors

CATALOG = load_catalog()
PLANE = ["solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8"]


def weights_in(folder: Path) -> Path:
    (weights,) = folder.rglob("weights.safetensors")
    return weights


def test_training_a_solver_ends_with_weights_that_run(tmp_path: Path) -> None:
    trained = invbench(["train", *PLANE, "training.steps=20", "save_every=10"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    weights = weights_in(tmp_path / "results" / "train")
    card = json.loads(read_tensors(weights)[0]["card"])
    assert (card["step"], card["task"]["name"], card["benchmark"]) == (20, "denoise", "gmm2d")
    assert card["validation"]["psnr"] > 0
    assert card["seconds"] > 0
    assert card["command"] == f"invbench train {' '.join(PLANE)} training.steps=20 save_every=10"
    assert (weights.parent / "losses.png").stat().st_size > 1000
    used = trained.stdout.splitlines()[-1].split()
    assert used[:2] == ["invbench", "run"]
    ran = invbench([*used[1:], "n=2"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "davi: trained in" in ran.stdout
    (run_json,) = tmp_path.glob("results/runs/gmm2d/denoise/davi-*/run.json")
    assert len(json.loads(run_json.read_text())["config"]["solver"]["sha256"]) == 64


def test_the_command_that_is_printed_has_the_form_of_the_training(tmp_path: Path) -> None:
    trained = invbench(["train", *PLANE, "training.steps=2", "+ablation=d", "solver.bridge=linear"], tmp_path)
    used = trained.stdout.splitlines()[-1].split()
    assert {"solver.h=0.01", "solver.perturbation=constant", "solver.bridge=linear"} <= set(used)
    ran = invbench([*used[1:], "n=2"], tmp_path)
    assert "complete, 2 images" in ran.stderr


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.lr=1e38", "training.steps=3", "folder=here"]
    failed = invbench([*words, "save_every=1"], tmp_path)
    assert failed.returncode == 2
    assert "is not finite at step 0; no checkpoint was written yet" in failed.stderr
    assert not list(tmp_path.rglob("*.safetensors"))
    last = invbench([*words[:-2], "training.steps=1", "folder=there"], tmp_path)
    assert last.returncode == 2
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_training_resumes_without_its_log(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=4", "save_every=2", "folder=here"]
    assert invbench(words, tmp_path).returncode == 0
    (tmp_path / "here" / "train.jsonl").unlink()
    assert invbench(words, tmp_path).returncode == 0


def test_a_training_starts_from_the_weights_that_it_is_given(tmp_path: Path) -> None:
    assert invbench(["train", *PLANE, "training.steps=20", "folder=first"], tmp_path).returncode == 0
    first = tmp_path / "first" / "weights.safetensors"
    words = ["train", *PLANE, f"solver.weights={first.name}", "training.steps=1", "training.lr=0", "folder=second"]
    wrong = invbench(words, tmp_path)
    assert wrong.returncode == 2
    assert "davi: no weights at weights.safetensors" in wrong.stderr
    (tmp_path / first.name).write_bytes(first.read_bytes())
    ran = invbench(words, tmp_path)
    assert ran.returncode == 0, ran.stderr
    before, after = (json.loads(read_tensors(tmp_path / f / first.name)[0]["card"]) for f in ("first", "second"))
    assert after["solver"]["start"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert (before["solver"]["start"], after["start"]) == ("fresh", before)
    assert after["seconds"] >= before["seconds"]  # one step alone is quicker than twenty
    old, new = (read_tensors(tmp_path / f / first.name)[1] for f in ("first", "second"))
    assert all(torch.equal(old[key], new[key]) for key in old)
    other = invbench([word.replace("task=denoise", "task=inpaint_random") for word in words], tmp_path)
    assert "was trained for task 'denoise' of 'gmm2d', not for 'inpaint_random'" in other.stderr


@pytest.mark.long
def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=400", "save_every=20"]
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    assert invbench(words, tmp_path / "whole").returncode == 0
    process = subprocess.Popen([sys.executable, "-m", "invbench.cli", *words], cwd=tmp_path / "killed", stderr=-3)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").rglob("state.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode != 0
    assert invbench(words, tmp_path / "killed").returncode == 0
    a, b = (read_tensors(weights_in(tmp_path / which))[1] for which in ("whole", "killed"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_training_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    refused = invbench(["train", *PLANE, "training.redraw=true"], tmp_path)
    assert refused.returncode == 2
    assert "redraw=true draws an operator" in refused.stderr
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    assert invbench(["train", *PLANE, "training.redraw=true", "folder=mine/net"], tmp_path).returncode == 2
    assert [each.name for each in tmp_path.rglob("*")] == ["mine"]


@pytest.mark.long
def test_ctrl_c_keeps_the_step_in_hand(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=100000", "save_every=10"]
    process = subprocess.Popen(
        [sys.executable, "-m", "invbench.cli", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("state.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command resumes from there" in message
    (state,) = tmp_path.rglob("state.safetensors")
    assert int(read_tensors(state)[0]["step"]) >= 10


def test_a_dry_run_estimates_time_and_memory_and_writes_nothing(tmp_path: Path) -> None:
    result = invbench(["train", *PLANE, "training.steps=20", "--dry-run"], tmp_path)
    assert result.returncode == 0, result.stderr
    assert "20 steps of at most" in result.stdout
    assert "peak memory" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_training_under_another_noise_prints_a_run_with_that_noise(tmp_path: Path) -> None:
    noise = "task.noise=gaussian 0.1 [-1,1]"
    trained = invbench(["train", *PLANE, noise, "training.steps=1", "folder=out"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert f"'{noise}'" in trained.stdout
    plain = invbench(["train", *PLANE, "training.steps=1", "folder=plain"], tmp_path)
    assert "task.noise" not in plain.stdout


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_lists_what_can_be_trained(words: list[str], tmp_path: Path) -> None:
    result = invbench(["train", *words], tmp_path)
    assert result.returncode == 0, result.stderr
    assert "davi, i2sb" in result.stdout
    assert "prior=adm_gmm, adm_own, adm_photos" in result.stdout
    assert "--dry-run" in result.stdout


@pytest.mark.long
def test_two_processes_have_the_gradient_of_one_with_the_double_batch(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=3", "training.reg=1", "device=cpu"]
    for which in ("one", "two"):
        (tmp_path / which).mkdir()
    alone = invbench(words, tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29871"]
    command = [*launch, "-m", "invbench.cli", *words]
    both = subprocess.run(command, cwd=tmp_path / "two", env=env, capture_output=True, text=True, timeout=300)
    assert both.returncode == 0, both.stderr
    one, two = (read_tensors(next((tmp_path / which).rglob("state.safetensors")))[1] for which in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")


def test_a_folder_of_another_training_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=20", "folder=mine"]
    assert invbench(words, tmp_path).returncode == 0
    refused = invbench([*words, "training.lr=0.5", "solver.h=0.3"], tmp_path)
    assert refused.returncode == 2
    assert "solver.h is 0.2 there and 0.3 here; training.lr is 0.001 there and 0.5 here" in refused.stderr


def test_a_folder_in_which_another_process_trains_is_left_alone(tmp_path: Path) -> None:

    (tmp_path / "mine").mkdir()
    with filelock.FileLock(tmp_path / "mine" / ".lock"):
        refused = invbench(["train", *PLANE, "folder=mine"], tmp_path)
    assert refused.returncode == 2
    assert "another process trains in mine" in refused.stderr


def test_a_discriminator_is_refused_where_the_prior_has_no_network(tmp_path: Path) -> None:
    refused = invbench(["train", *PLANE, "training.adversarial=true"], tmp_path)
    assert refused.returncode == 2
    assert "training.adversarial needs a prior that is an ADM network" in refused.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file")
    refused = invbench(["train", *PLANE, "folder=mine"], tmp_path)
    assert refused.returncode == 2
    assert "cannot write to mine" in refused.stderr


def test_running_out_of_memory_proposes_the_batch_size() -> None:
    options = CATALOG.get("solver", "davi").options(batch_size=8)
    message = str(out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), options))
    assert "memory ran out at training.batch_size=8; try training.batch_size=4" in message
    assert "training.accumulate=2 training.shared=false" in message
    message = str(out_of_memory(torch.OutOfMemoryError(), CATALOG.get("prior", "adm_photos").options(batch_size=32)))
    assert message.endswith("try training.batch_size=16"), "a prior's batch has no parts"
    other = RuntimeError("something else")
    assert out_of_memory(other, options) is other


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
