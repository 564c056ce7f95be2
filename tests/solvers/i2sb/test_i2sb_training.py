"""What I2SB's network learns, from which files it starts, and which it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bridges import CATALOG, I2SB, Deep, Told, authors, bridge, draw, training
from torch import Tensor

import invbench as ib
from invbench.priors.adm.sources import AdmPhotos
from invbench.training import Training


class Pictures(ib.Dataset):
    name = "pictures"
    x_shape = (3, 16, 16)

    def ids(self) -> list[str]:
        return list("abcdef")

    def load(self, image_id: str) -> Tensor:
        return draw(*self.x_shape, image=image_id).clamp(-1, 1)


def learner(folder: Path, task: str = "denoise", solver: ib.Solver | None = None, **options: Any) -> Any:
    training_ = Training(folder, {}, I2SB.options(**{"steps": 3, "batch_size": 4, **options}), Pictures())
    made = CATALOG.get("task", task)()
    return training.Learner(solver or I2SB(), made, AdmPhotos().load((3, 16, 16), "cpu"), training_)


def test_the_loss_is_the_error_of_the_distance_to_the_clean_image(tmp_path: Path) -> None:
    """With a network that predicts 0: E |(x_a - x_0) / sigma_f(a)|^2 of the bridge's own draws."""
    learner_ = learner(tmp_path)
    for _ in learner_.training.steps(1, {}, {}):
        break
    ((x_0, y, rng, share),) = learner_.parts(0)
    told: list[Tensor] = []
    learner_.net = Told(lambda x, t: told.append(x) or torch.zeros_like(x))
    learner_.net.x_shape = (3, 16, 16)
    loss = learner_.loss(x_0, y, rng)
    ((_, _, again, _),) = learner_.parts(0)
    a = again.integers(1000, ())
    sigma = bridge.Bridge(0.3, False).sigma_f(a, x_0)
    torch.testing.assert_close(loss, ((told[0] - x_0) / sigma).square().mean())
    assert share == 1
    assert 0.2 < loss < 5, "a standard normal, and the measurement's own noise"


def test_the_official_form_of_inpainting_learns_from_the_hole_alone(tmp_path: Path) -> None:
    learner_ = learner(tmp_path, "inpaint_random", I2SB(masked=True))
    for _ in learner_.training.steps(1, {}, {}):
        break
    ((x_0, y, rng, _),) = learner_.parts(0)
    missing = bridge.hole(learner_.A, y)
    told: list[Tensor] = []
    learner_.net = Told(lambda x, t: told.append(x) or torch.where(missing, 0.0, 1e6) * torch.ones_like(x))
    learner_.net.x_shape = (3, 16, 16)
    assert learner_.loss(x_0, y, rng) < 100
    torch.testing.assert_close(learner_.A(told[0]), y)


@pytest.mark.parametrize("solver", [I2SB(nfe=2), Deep(nfe=2, rho=0.1)])
def test_a_training_ends_with_weights_that_are_run(tmp_path: Path, solver: ib.Solver) -> None:
    task = CATALOG.get("task", "denoise")()
    x, A = draw(1, 3, 16, 16), ib.Identity((3, 16, 16))
    measured = ib.Measurement(("a",), x, x + 0.1, torch.zeros(1, 1, 1, 1), ("",), A)
    made = {"name": "denoise"}
    config = {"benchmark": "photos", "task": made, "solver": {"name": "i2sb", "beta_max": 0.3, "ot_ode": False}}
    options = I2SB.options(steps=2, batch_size=2, accumulate=2)
    training_ = Training(tmp_path, config, options, Pictures(), measured)
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    path = solver.fit(task, prior, training_)
    again = type(solver)(weights=str(path))
    net = again.prepare(ib.Problem(ib.Identity((3, 16, 16)), 0.05, "denoise", "photos", "photos"), prior)
    assert not torch.equal(net.net.out[2].weight, prior.net.out[2].weight)
    with pytest.raises(ib.DataError, match=r"was trained with beta_max=0.3; set solver.beta_max=0.3"):
        type(solver)(weights=str(path), beta_max=1.0).prepare(
            ib.Problem(ib.Identity((3, 16, 16)), 0.05, "denoise", "photos", "photos"), prior
        )


def test_a_rate_falls_as_the_codes_or_as_a_cosine(tmp_path: Path) -> None:
    steps = learner(tmp_path, lr=1.0, decay_every=10, steps=100)
    assert [steps.lr(step) for step in (0, 9, 10, 25)] == pytest.approx([1, 1, 0.99, 0.99**2])
    assert learner(tmp_path, lr=1.0, cosine=True, steps=100).lr(50) == pytest.approx(0.5)


@pytest.mark.parametrize("fp16", [False, True])
def test_the_authors_checkpoints_load_and_the_average_is_taken(tmp_path: Path, fp16: bool) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    solver = I2SB(weights=str(authors(tmp_path, prior.net, fp16)))
    net = solver.prepare(ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos"), prior)
    for key, value in prior.net.state_dict().items():
        expected = value / 10
        if key.startswith("out.2"):
            expected = torch.cat([expected.chunk(2)[0], torch.zeros_like(expected.chunk(2)[0])])
        torch.testing.assert_close(net.net.state_dict()[key], expected, rtol=2e-3 if fp16 else 0, atol=1e-6 * fp16)


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    path = authors(tmp_path, prior.net, fp16=False)
    file = torch.load(path, weights_only=True)
    file["net"].popitem()
    file["ema"]["shadow_params"].pop()
    torch.save(file, path)
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    with pytest.raises(ib.DataError, match=r"does not fit the network: 1 missing: out.2.bias"):
        I2SB(weights=str(path)).prepare(problem, prior)


WEIGHTS = Path(training.__file__).with_name("weights")


@pytest.mark.parametrize("path", sorted(WEIGHTS.rglob("*.safetensors")), ids=str)
def test_shipped_networks_have_metadata_and_fit(path: Path) -> None:
    card = ib.read_card(path)
    assert (card["benchmark"], card["task"]["name"]) == (path.parent.name, path.stem)
    assert {"command", "seed", "seconds", "step", "validation", "machine"} <= card.keys()
    chosen = ib.plugin("solver", "i2sb")(beta_max=card["solver"]["beta_max"], ot_ode=card["solver"]["ot_ode"])
    net = AdmPhotos().load((3, 16, 16), "cpu").student().net
    chosen.load(net, "photos", card["task"])
