"""Trainings: what is kept, what resumes, what is refused; and the commands, in a temporary folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called as invbench
from made import made_run
from safetensors.torch import save_file
from torch import Tensor, nn

import invbench as ib
from invbench.cli.compute import payoff
from invbench.cli.train import build, chosen_variants, out_of_memory
from invbench.cli.train_request import Request
from invbench.errors import TrainingError
from invbench.plugins import load_catalog
from invbench.run.nodes import typed
from invbench.store.reader import LoadedCell
from invbench.training import Training, ema_decay, ema_update, random_crop
from invbench.weights import read_card, read_tensors

CATALOG = load_catalog()
PLANE = ["solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8"]


class Ramp(ib.Dataset):
    """Ten images, each of one value."""

    name = "ramp"
    x_shape = (1, 6, 5)

    def ids(self) -> Sequence[str]:
        return [str(i) for i in range(10)]

    def load(self, image_id: str) -> Tensor:
        return torch.full(self.x_shape, int(image_id) / 10)


def training(folder: Path, **options: Any) -> Training:
    return Training(folder, {"lr": 0.1}, None, Ramp(), **{"save_every": 4, **options})


def run(folder: Path, total: int = 12, stop: int | None = None, dtype: str = "float32") -> dict[str, Tensor]:
    """Fit a line; with ``stop``, break off in that step. Returns the weights."""
    net = nn.Linear(30, 1)
    with torch.no_grad():
        net.weight.fill_(0.1)
        net.bias.zero_()
    t = training(folder, dtype=dtype)
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    for step in t.steps(total, {"net": net}, {"net": optimizer}):
        x, rng = t.batch(step, 4)
        with t.autocast():
            out = net(x.flatten(1) + rng.randn_like(x).flatten(1))
        loss = (out.float() - 1).square().mean()
        t.log(step, loss=loss)
        t.backward(loss)
        if step == stop:
            break
        t.update(optimizer)
    return {key: value.clone() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path, dtype: str) -> None:
    whole = run(tmp_path / "whole", dtype=dtype)
    run(tmp_path / "broken", stop=10, dtype=dtype)
    assert read_tensors(tmp_path / "broken" / "state.safetensors")[0]["step"] == "8"
    resumed = run(tmp_path / "broken", dtype=dtype)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_the_log_has_no_line_twice_after_resuming(tmp_path: Path) -> None:
    run(tmp_path, stop=10)
    run(tmp_path)
    steps = [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert steps == [4, 8, 12]


def test_a_half_written_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    run(tmp_path, stop=10)
    with (tmp_path / "train.jsonl").open("a") as log:
        log.write('{"step": 9, "lo')
    run(tmp_path)
    assert [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()] == [4, 8, 12]


def test_another_configuration_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    run(tmp_path, stop=5)
    other = training(tmp_path)
    other.config = {"lr": 0.2, "new": 1}
    with pytest.raises(ib.ConfigError, match=r"lr is 0.1 there and 0.2 here; new is None there and 1 here"):
        next(iter(other.steps(12, {}, {})))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run(tmp_path, stop=5)
    (tmp_path / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ib.DataError, match=r"state\.safetensors cannot be read .* delete it, and train"):
        run(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_checkpoint(tmp_path: Path) -> None:
    t = training(tmp_path)
    for step in t.steps(9, {"net": nn.Linear(1, 1)}, {}):
        if step == 5:
            with pytest.raises(
                TrainingError, match=r"loss is not finite at step 5; the last good .* of step 4, is .*lr"
            ):
                t.log(step, loss=float("nan"))
            break
        t.log(step, loss=1.0)
    with pytest.raises(TrainingError, match="no checkpoint was written yet"):
        next(_started(training(tmp_path / "other"))).log(0, loss=float("inf"))


def _started(t: Training) -> Any:
    for _ in t.steps(1, {}, {}):
        yield t


def test_a_batch_is_a_draw_of_its_step_whoever_asks(tmp_path: Path) -> None:
    one, other = training(tmp_path), training(tmp_path)
    x, rng = one.batch(7, 6)
    again, same = other.batch(7, 6)
    assert x.shape == (6, 1, 6, 5)
    assert torch.equal(x, again)
    assert torch.equal(rng.randn((3,)), same.randn((3,)))
    assert not torch.equal(x, one.batch(8, 6)[0])


def test_processes_share_the_batch_of_one(tmp_path: Path) -> None:
    whole, _ = training(tmp_path).batch(3, 6)
    shares = [training(tmp_path, rank=rank, processes=2).batch(3, 6)[0] for rank in (0, 1)]
    assert torch.equal(whole[0::2], shares[0])
    assert torch.equal(whole[1::2], shares[1])


def test_crops_are_parts_of_their_images_and_differ() -> None:
    x = torch.arange(4 * 64, dtype=torch.float32).view(4, 1, 8, 8)
    crops = random_crop(x, 3, ib.Rng.for_images(list("abcd"), use="crop"))
    corners = crops[:, 0, 0, 0] - x[:, 0, 0, 0]
    assert crops.shape == (4, 1, 3, 3)
    assert len(corners.unique()) > 1
    assert torch.equal(crops - crops[:, :, :1, :1], (x - x[:, :, :1, :1])[:, :, :3, :3])
    with pytest.raises(ib.ConfigError, match=r"the training images are 8x8, smaller than the crop of 9; lower"):
        random_crop(x, 9, ib.Rng.for_images(list("abcd")))


def test_the_average_copies_first_and_then_lags() -> None:
    average, net = nn.Linear(2, 2), nn.Linear(2, 2)
    ema_update(average, net, ema_decay(50))
    assert torch.equal(average.weight, net.weight)
    before = average.weight.clone()
    with torch.no_grad():
        net.weight += 1
    ema_update(average, net, ema_decay(1000))
    torch.testing.assert_close(average.weight, before + (1 - ema_decay(1000)))
    assert ema_decay(10**9) == 0.9999


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["solver=davi"], r"expected task=NAME. Available: .*sr4"),
        (["task=sr4"], r"expected solver=NAME task=NAME, or prior=NAME. Trainable solvers: davi"),
        (["solver=ddrm", "task=sr4"], r"solver ddrm needs no training; run it: invbench run solver=ddrm"),
        (["solver=davy", "task=sr4"], r"unknown solver 'davy'; did you mean 'davi'"),
        (["solver=davi", "task=sr4", "training.stps=3"], r"unknown option of training 'stps'; did you mean 'steps'"),
        (
            ["solver=davi", "task=sr4", "training.steps=many"],
            r"training.steps: expected a value of type int, got 'many'",
        ),
        (["solver=davi", "task=sr4", "training.steps=0"], r"training.steps must be at least 1; got 0"),
        (["solver=davi", "task=sr4", "+ablation=z"], r"unknown ablation 'z'.* Available: a, b, c, d, e, f"),
        (["solver=davi", "task=sr4", "+ablations=a"], r"unknown variant '\+ablations'; did you mean '\+ablation'"),
        (["solver=davi", "task=sr4", "sed=1"], r"unknown option 'sed'; did you mean 'seed'"),
        (["solver=davi", "sr4"], r"expected key=value, got 'sr4'; for example: invbench train"),
        ([*PLANE, "training.density=gamma"], r"unknown training.density 'gamma'.* Available: beta, end, uniform"),
        ([*PLANE, "training.ikl_schedule=cubic"], r"unknown training.ikl_schedule 'cubic'"),
        ([*PLANE, "training.posterior=dirac"], r"unknown training.posterior 'dirac'"),
        ([*PLANE, "dtype=half"], r"unknown dtype 'half'"),
        ([*PLANE, "training.shared=true", "training.accumulate=2"], r"accumulate > 1 needs training.shared=false"),
        (
            ["solver=davi", "task=sr4", "dataset=bsds500", "dataset.root=nowhere"],
            r"no folder at nowhere; set dataset.root",
        ),
        (
            ["solver=davi", "task=sr4", "dataset=gmm"],
            r"training images are 16x16, those of benchmark photos 64x64; set da",
        ),
        (["prior=gmm"], r"prior gmm cannot be trained here"),
        (
            ["prior=adm_photos", "task=sr4", "+ablation=a"],
            r"a prior is trained on images alone; leave out task=, \+abl",
        ),
        (
            ["solver=davi", "task=sr4", "dataset=photos"],
            r"holds, of split 'test', the images that results are reported",
        ),
        ([*PLANE, "save_every=0"], r"save_every must be at least 1; got 0"),
        ([*PLANE, "training.lr=nan"], r"training.lr must not be negative; got nan"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(overrides: list[str], message: str) -> None:
    with pytest.raises(ib.InvbenchError, match=message):
        build(Request.parse(overrides), CATALOG)


def test_what_the_user_wrote_wins_over_a_variant_and_that_over_the_preset() -> None:
    davi = CATALOG.get("solver", "davi")
    assert chosen_variants(davi, {"ablation": "d"})["solver"] == {"perturbation": "constant", "h": 0.01}
    assert [chosen_variants(davi, {"ablation": each})["solver"]["h"] for each in "abcdef"] == [0.01] * 2 + [0] + [
        0.01
    ] * 3
    plan = build(Request.parse([*PLANE, "+ablation=d", "solver.h=0.3", "training.gamma=7"]), CATALOG)
    assert plan.training.config["solver"]["perturbation"] == "constant"
    assert plan.training.config["solver"]["h"] == 0.3
    assert plan.training.options.gamma == 7
    assert plan.training.options.density == "uniform"
    assert plan.training.options.reg == build(Request.parse(PLANE), CATALOG).training.options.reg == 0.0


def test_options_get_the_types_of_their_fields() -> None:
    options = typed(CATALOG.get("solver", "davi").options, {"steps": "12", "lr": "1e-3", "cosine": "true"}, "training")
    assert (options.steps, options.lr, options.cosine) == (12, 1e-3, True)


# The commands.


def weights_in(folder: Path) -> Path:
    (found,) = folder.rglob("weights.safetensors")
    return found


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


def test_a_lost_log_does_not_stop_a_training_from_going_on(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=4", "save_every=2", "folder=here"]
    assert invbench(words, tmp_path).returncode == 0
    (tmp_path / "here" / "train.jsonl").unlink()
    assert invbench(words, tmp_path).returncode == 0


def test_a_damaged_card_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"card": "{"})
    with pytest.raises(ib.DataError, match="the card in .* is damaged; train or fetch it again"):
        read_card(path)


def test_a_training_goes_on_from_the_weights_that_it_is_given(tmp_path: Path) -> None:
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
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
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
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    (state,) = tmp_path.rglob("state.safetensors")
    assert int(read_tensors(state)[0]["step"]) >= 10


def test_a_dry_run_tells_time_and_memory_and_writes_nothing(tmp_path: Path) -> None:
    told = invbench(["train", *PLANE, "training.steps=20", "--dry-run"], tmp_path)
    assert told.returncode == 0, told.stderr
    assert "20 steps of at most" in told.stdout
    assert "peak memory" in told.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_lists_what_can_be_trained(words: list[str], tmp_path: Path) -> None:
    told = invbench(["train", *words], tmp_path)
    assert told.returncode == 0, told.stderr
    assert "solver=davi" in told.stdout
    assert "prior=adm_photos" in told.stdout
    assert "--dry-run" in told.stdout


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


OVERFLOW = """
import sys, torch
from pathlib import Path
from accelerate import PartialState
from invbench.training import Training

state = PartialState(cpu=True)
out = Path(sys.argv[1])
training = Training(out, {}, None, None, dtype="float16", rank=state.process_index, processes=2)
net = torch.nn.Linear(2, 1, bias=False)
torch.nn.init.ones_(net.weight)
optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
for step in range(4):
    training.backward(net(torch.full((1, 2), 1.0 + state.process_index)).square().sum())
    if step in (1, 2) and state.process_index == step - 1:
        net.weight.grad.fill_(float("inf") if step == 1 else float("nan"))
    training.update(optimizer, clip=1.0)
    line = [*net.weight.flatten().tolist(), training._scaler.get_scale()]
    with open(out / f"{state.process_index}.txt", "a") as file:
        file.write(" ".join(map(repr, line)) + "\\n")
state.destroy_process_group()
"""


@pytest.mark.long
def test_a_gradient_that_overflows_on_one_process_skips_the_step_of_all(tmp_path: Path) -> None:
    """In float16: at the second step that of the first process does, at the third that of the second."""
    (tmp_path / "work.py").write_text(OVERFLOW)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29872"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [*launch, str(tmp_path / "work.py"), str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    steps = [[float(word) for word in line.split()] for line in first.splitlines()]
    assert all(math.isfinite(value) for line in steps for value in line)
    assert [line[:2] for line in steps[1:3]] == [steps[0][:2]] * 2, "skipped"
    assert [line[2] for line in steps] == [65536.0, 32768.0, 16384.0, 16384.0]
    assert steps[3][0] < steps[0][0] < 1


def test_a_folder_of_another_training_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    words = ["train", *PLANE, "training.steps=20", "folder=mine"]
    assert invbench(words, tmp_path).returncode == 0
    refused = invbench([*words, "training.lr=0.5", "solver.h=0.3"], tmp_path)
    assert refused.returncode == 2
    assert "solver.h is 0.2 there and 0.3 here; training.lr is 0.001 there and 0.5 here" in refused.stderr


def test_a_folder_in_which_another_process_trains_is_left_alone(tmp_path: Path) -> None:
    import filelock

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
    said = str(out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), options))
    assert "memory ran out at training.batch_size=8; try training.batch_size=4" in said
    assert "training.accumulate=2 training.shared=false" in said
    said = str(out_of_memory(torch.OutOfMemoryError(), CATALOG.get("prior", "adm_photos").options(batch_size=32)))
    assert said.endswith("try training.batch_size=16"), "a prior's batch has no parts"
    other = RuntimeError("something else")
    assert out_of_memory(other, options) is other


# Priors.


def photographs(folder: Path, side: int = 150) -> Path:
    from PIL import Image

    folder.mkdir()
    for i in range(3):
        pixels = ib.Rng.single(use=str(i)).rand((side, side, 3))[0].mul(255).byte().numpy()
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.mark.long
def test_training_a_prior_ends_with_weights_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photographs(tmp_path / "photographs")
    words = ["prior=adm_photos", f"dataset.root={root}", "dataset.factors=1 2", "training.steps=2"]
    monkeypatch.setattr("invbench.priors.adm.training.SHOWN", 2)  # samples drawn to be looked at
    trained = invbench(["train", *words, "training.batch_size=4", "training.last=0.5"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    weights = weights_in(tmp_path / "results" / "train" / "priors")
    card = json.loads(read_tensors(weights)[0]["card"])
    assert card["prior"] == {"name": "adm_photos", "dtype": "float32", "start": "fresh"}
    assert {"psnr_0.05", "psnr_0.2", "psnr_2.0"} <= card["validation"].keys()
    assert len(list(weights.parent.glob("samples/*.png"))) == 1
    ran = invbench([*trained.stdout.splitlines()[-1].split()[1:], "n=1", "references=false"], tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_a_crop_larger_than_the_images_is_refused(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs")
    words = ["prior=adm_photos", f"dataset.root={root}", "dataset.factors=1", "training.crop=100", "training.steps=2"]
    refused = invbench(["train", *words], tmp_path)
    assert refused.returncode == 2
    assert "training images are 64x64, smaller than the crop of 100; lower training.crop" in refused.stderr


def test_photographs_smaller_than_the_crop_are_refused(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs", side=60)
    with pytest.raises(
        ib.DataError, match=r"none of the 3 photographs .* holds a crop of 64x64; choose a smaller datas"
    ):
        build(Request.parse(["prior=adm_photos", f"dataset.root={root}"]), CATALOG)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ib.DataError, match="no images in"):
        build(Request.parse(["prior=adm_photos", f"dataset.root={tmp_path}"]), CATALOG)


@pytest.mark.parametrize("words", [["dataset.factors=1"], ["dataset=folder", "dataset.side=64"]])
def test_an_image_that_cannot_be_read_is_refused_before_a_training(tmp_path: Path, words: list[str]) -> None:
    root = photographs(tmp_path / "photographs")
    (root / "x.png").write_text("no image")
    with pytest.raises(ib.DataError, match=r"1 of 4 images cannot be read \(.*x\.png: cannot identify an image in it"):
        build(Request.parse(["prior=adm_photos", f"dataset.root={root}", *words]), CATALOG)


def test_samples_of_a_prior_are_kept_and_a_solver_trains_on_them(tmp_path: Path) -> None:
    words = ["sample", "prior=adm_photos", "side=16", "nfe=2"]
    drawn = invbench([*words, "n=2"], tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    folder = tmp_path / drawn.stdout.strip()
    first = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert sorted(first) == ["000000.png", "000001.png"]
    more = invbench([*words, "n=3"], tmp_path)
    assert "1/1 samples" in more.stderr
    assert {name: (folder / name).read_bytes() for name in first} == first
    davi_g = ["benchmark=gmm", "solver=davi", "task=sr4", "dataset=folder", f"dataset.root={folder}", "dataset.side=16"]
    trained = invbench(["train", *davi_g, "training.steps=2", "training.batch_size=2"], tmp_path)
    assert trained.returncode == 0, trained.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["n=3"], "expected prior=NAME"),
        (["prior=adm_photos", "m=3"], "unknown option 'm'"),
        (["prior=adm_photos", "n=0"], "n must be at least 1; got 0"),
        (["prior=adm_fotos"], "did you mean 'adm_photos'"),
        (["prior=adm_photos", "nfe=2000"], "a time grid needs between 1 and 1000 steps; got 2000"),
        (["adm_photos"], "expected key=value, got 'adm_photos'"),
    ],
)
def test_wrong_requests_for_samples_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    refused = invbench(["sample", *words], tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr


def cell(name: str, seconds: float) -> LoadedCell:
    run = made_run({"solver": {"name": name}, "samples": 2}, images=5, cost={"solve_seconds": seconds})
    return LoadedCell(name, run, [], (), 0)


def test_training_pays_off_against_each_slower_solver_after_so_many_images() -> None:
    davi, others = cell("davi", 10.0), [cell("dps", 1010.0), cell("ddrm", 20.0), cell("pinv", 0.1)]
    assert payoff(1000.0, davi, [davi, *others]) == (
        "cheaper, training included, from this many images on: ddrm 1,000, dps 10"
    )
    assert payoff(1000.0, davi, [davi, others[2]]) == "no recorded solver is slower"
