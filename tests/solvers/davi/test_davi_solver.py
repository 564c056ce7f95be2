"""Inference, and what a run with DAVI says and gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from command import called
from davi_parts import Davi, draw, learning, official, ours
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.priors.adm.sources import AdmPhotos
from invbench.weights import read_card


def solve(solver: ib.Solver, y: Tensor, A: ib.Operator, prior: ib.Prior, state: Any) -> Tensor:
    rng = ib.Rng.for_images([str(i) for i in range(len(y))], use="solve")
    with torch.inference_mode():
        return solver.solve(y, ib.Problem(A, None, "sr4", "photos", "photos"), prior, state, rng)


def test_an_untrained_network_is_the_prior_at_the_end_of_the_bridge() -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    y, A = draw(2, 3, 16, 16), ib.Identity((3, 16, 16))
    solver = Davi()
    x_hat = solve(solver, y, A, prior, solver.untrained(ib.Problem(A, None, "t", "d"), prior))
    z = ib.Rng.for_images(["0", "1"], use="solve").randn_like(y)
    y_1 = y + 0.1 * 0.999267 * z
    with torch.inference_mode():
        torch.testing.assert_close(x_hat, torch.tanh(y_1 - 1.481319 * prior.eps(y_1, 999)), rtol=1e-4, atol=1e-4)


def test_temperature_scales_the_perturbation_of_a_run() -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    A, y = ib.Identity((3, 16, 16)), draw(2, 3, 16, 16)

    def restored(**options: float) -> Tensor:
        return solve(Davi(output="residual", **options), y, A, prior, prior.student())

    torch.testing.assert_close(restored(h=0.1, temperature=0.5), restored(h=0.05))
    torch.testing.assert_close(restored(temperature=0.0), restored(h=0.0))
    assert (restored(temperature=0.0) - restored()).abs().max() > 1e-3
    with pytest.raises(ib.ConfigError, match="temperature must not be negative; got -1"):
        Davi(temperature=-1.0)


def test_what_is_shipped_runs_at_once_and_is_better_than_the_measurement(tmp_path: Path) -> None:
    ran = called(["run", "solver=davi", "benchmark=gmm2d", "task=denoise", "n=64", "samples=16"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = {line.split("  ")[0]: line.split() for line in ran.stdout.splitlines() if " of 16" in line or "pinv" in line}
    assert float(rows["davi, mean of 16"][4 + 1]) > float(rows["pinv"][2])
    assert "davi: trained in" in ran.stdout


def test_a_run_without_weights_stops_at_once_and_names_the_training(tmp_path: Path) -> None:
    ran = called(["run", "solver=davi", "benchmark=gmm2d", "task=inpaint_random", "n=2"], tmp_path)
    assert ran.returncode == 1
    assert "train them with 'invbench train solver=davi benchmark=gmm2d task=inpaint_random'" in ran.stderr
    assert "pinv" not in ran.stdout + ran.stderr


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"half a file")
    words = ["run", "solver=davi", "benchmark=gmm2d", "task=denoise", "n=2", "solver.weights=w.safetensors"]
    ran = called(words, tmp_path)
    assert ran.returncode == 1
    assert "w.safetensors cannot be read" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("nested", [False, True])
def test_the_authors_checkpoints_load_and_the_average_is_taken(tmp_path: Path, nested: bool) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    solver = Davi(weights=str(official(tmp_path, prior.net, nested)))
    phi = solver.prepare(ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos"), prior)
    for key, value in prior.net.state_dict().items():
        torch.testing.assert_close(phi.net.state_dict()[key], value / 10)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"task": {"name": "denoise"}},
            r"trained for task 'denoise' of 'photos', not for 'sr4' of 'photos'; train them",
        ),
        ({"benchmark": "ffhq256"}, r"task 'sr4' of 'ffhq256', not for 'sr4' of 'photos'.*or set solver.transfer=true"),
        (
            {"solver": {"name": "davi", "bridge": "linear", "output": "tanh", "perturbation": "rising"}},
            r"was trained with bridge=linear; set solver.bridge=linear",
        ),
        ({"solver": {"name": "davi", "h": 0.0}}, r"was trained with h=0.0; set solver.h=0.0"),
        ({"task": {"name": "sr4", "factor": 2}}, r"was trained with task.factor=2, not 4; train again"),
        ({"solver": {}}, r"holds no weights of a training of davi; train them with"),
    ],
)
def test_weights_of_another_training_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos", {"factor": 4})
    path = str(ours(tmp_path, prior.net, **changed))
    with pytest.raises(ib.DataError, match=message):
        Davi(weights=path).prepare(problem, prior)
    if "solver" not in changed:
        Davi(weights=path, transfer=True).prepare(problem, prior)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = ours(tmp_path, torch.nn.Linear(2, 2))
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    with pytest.raises(ib.DataError, match=r"does not fit the network: \d+ missing: .* 2 unexpected: bias, weight"):
        Davi(weights=str(path)).prepare(problem, AdmPhotos().load((3, 16, 16), "cpu"))


def test_the_initialisation_of_the_masked_region_is_part_of_the_form_of_the_weights(tmp_path: Path) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    path = str(ours(tmp_path, prior.net))
    Davi(weights=path, fill="zero").prepare(problem, prior)  # of before there were fillings
    with pytest.raises(ib.DataError, match=r"was trained with fill=zero; set solver.fill=zero"):
        Davi(weights=path, fill="smooth").prepare(problem, prior)


def test_a_task_without_weights_names_the_commands_that_get_them() -> None:
    with pytest.raises(
        ib.DataError, match=r"no weights are shipped .* 'invbench train solver=davi benchmark=photos task=cs4'"
    ):
        Davi().checkpoint("photos", "cs4")
    with pytest.raises(ib.DataError, match=r"no weights at nowhere.pt; train them with"):
        Davi(weights="nowhere.pt").checkpoint("photos", "sr4")


WEIGHTS = Path(learning.__file__).with_name("weights")


@pytest.mark.parametrize("path", sorted(WEIGHTS.rglob("*.safetensors")), ids=str)
def test_shipped_weights_have_metadata(path: Path) -> None:
    card = read_card(path)
    assert card["benchmark"] == path.relative_to(WEIGHTS).parts[0]
    assert card["task"]["name"] == path.stem
    assert {"command", "seed", "seconds", "step", "losses", "validation", "machine"} <= card.keys()
    assert len(card["dataset"]["sha256"]) == 64
    assert "/" not in json.dumps({**card, "origin": ""}).replace("1 / 2", "")


def test_shipped_weights_are_found_by_their_name() -> None:
    assert (
        Davi(weights="variational").checkpoint("photos", "sr4")
        == WEIGHTS / "photos" / "variational" / "sr4.safetensors"
    )
    with pytest.raises(ib.DataError, match="no weights at variational"):
        Davi(weights="variational").checkpoint("photos", "denoise")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_networks_that_were_trained_at_another_noise_say_so(tmp_path: Path) -> None:
    words = ("run", "solver=davi", "task=sr4", "task.noise='gaussian 0.5 [-1,1]'", "n=1", f"out={tmp_path}")
    assert "davi was trained at a noise of 0.05 on [-1,1], not 0.5" in invbench(*words, "references=false").output
