"""DAVI against the algorithm spec, closed forms, and RED-diff."""

from __future__ import annotations

import copy
import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from safetensors.torch import save_file
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog
from invbench.priors.adm.sources import AdmPhotos
from invbench.settings import settings
from invbench.training import Training
from invbench.weights import read_card

CATALOG = load_catalog()
Davi = CATALOG.get("solver", "davi")
adversary, bridge, losses, learning = (
    importlib.import_module(f"invbench_solvers.davi.{n}") for n in ("adversary", "bridge", "losses", "training")
)
SHAPE = (3, 8, 8)


def draw(*shape: int, **axes: str) -> Tensor:
    return ib.Rng.single(**{"use": "x", **axes}).randn(shape)[0]


def plane_prior() -> ib.Prior:
    return CATALOG.get("prior", "gmm2d")().load((1, 1, 2), "cpu")


def make_bridge(schedule: str = "i2sb", output: str = "tanh", perturbation: str = "rising", h: float = 0.1) -> Any:
    return bridge.Bridge(schedule, output, perturbation, h)


# The bridge (spec 4.2, 4.3, 7.1).


@pytest.mark.parametrize(
    ("a", "sigma"), [(0, 0.999954), (99, 0.986921), (249, 0.910530), (499, 0.501300), (749, 0.090307)]
)
def test_the_share_of_the_clean_image_is_that_of_the_spec(a: int, sigma: float) -> None:
    assert make_bridge().sigma[a].item() == pytest.approx(sigma, rel=1e-5)
    assert make_bridge().sigma[999].item() == pytest.approx(4.557e-5, rel=1e-3)


@pytest.mark.parametrize(("a", "sigma"), [(499, 0.7475), (749, 0.4356)])
def test_the_linear_bridge_is_that_of_the_papers_integrals(a: int, sigma: float) -> None:
    assert make_bridge("linear").sigma[a].item() == pytest.approx(sigma, abs=5e-4)  # index a is time a / 999


@pytest.mark.parametrize(("schedule", "end_of_bridge"), [("i2sb", 0.0999267), ("linear", 0.0999960)])
def test_the_bridge_runs_from_the_clean_image_to_the_perturbed_measurement(schedule: str, end_of_bridge: float) -> None:
    b, x0, y, z = make_bridge(schedule), draw(1, *SHAPE), draw(1, *SHAPE, use="y"), draw(1, *SHAPE, use="z")
    clean, end = (b.point(x0, y, torch.tensor([a]), z) for a in (0, 999))
    torch.testing.assert_close(clean, x0, rtol=0, atol=2e-3)
    torch.testing.assert_close(end, y + end_of_bridge * z, rtol=0, atol=2e-4)
    torch.testing.assert_close(make_bridge(schedule, perturbation="constant").sigma_bar, torch.ones(1000).double())


def test_the_output_maps_are_those_of_code_and_paper() -> None:
    y_a, out, a = draw(2, *SHAPE), draw(2, *SHAPE, use="out"), torch.tensor([999, 499])
    sigma_f = torch.tensor([1.481319, 1.047451])[:, None, None, None]
    torch.testing.assert_close(make_bridge().image(y_a, out, a), torch.tanh(y_a - sigma_f * out))
    alpha = torch.tensor([7.33412e-4, 0.333188])[:, None, None, None]
    torch.testing.assert_close(make_bridge(output="paper").image(y_a, out, a), y_a + alpha * out)
    own = torch.from_numpy(ib.alpha_bar(ib.linear_betas()))[[999, 499]].float()[
        :, None, None, None
    ]  # of the paper's own schedule (D3)
    torch.testing.assert_close(make_bridge("linear", output="paper").image(y_a, out, a), y_a + own * out)


def test_bridge_indices_have_the_density_of_the_paper() -> None:
    rng = ib.Rng.for_images([str(i) for i in range(4000)], use="a")
    a = bridge.draw_a("beta", rng).double()
    assert (a.min() >= 0) & (a.max() <= 999)
    assert a.mean().item() == pytest.approx(750, abs=10)
    assert (a < 500).double().mean().item() == pytest.approx(1 / 8, abs=0.02)
    assert bridge.draw_a("uniform", rng).double().mean().item() == pytest.approx(500, abs=20)
    assert bridge.draw_a("end", rng).unique().tolist() == [999]


def test_the_measurement_becomes_an_image_as_in_the_official_code() -> None:
    y = draw(1, 3, 2, 2)
    enlarged = bridge.network_input(y, ib.BlockMean(SHAPE, 4))
    torch.testing.assert_close(enlarged[..., :2, :2], y[..., :1, :1].expand(-1, -1, 2, 2))
    keep = torch.arange(10)
    filled = bridge.network_input(draw(1, 3, 10), ib.Selection(SHAPE, keep))
    assert (filled.flatten(2)[..., 10:] == 0).all()
    gray = bridge.network_input(draw(1, 1, 8, 8), ib.ChannelMix(SHAPE, torch.tensor([0.3333, 0.3334, 0.3333])))
    torch.testing.assert_close(gray, draw(1, 1, 8, 8).expand(-1, 3, -1, -1), rtol=1e-3, atol=1e-3)
    same = draw(1, *SHAPE)
    assert bridge.network_input(same, ib.Identity(SHAPE)) is same
    spectrum = CATALOG.get("task", "phase_retrieval")().operator(SHAPE, ib.Rng.single())
    larger = draw(1, *spectrum.y_shape)
    torch.testing.assert_close(bridge.network_input(larger, spectrum), spectrum.guess(larger))


@pytest.mark.parametrize(
    "option", [{"bridge": "brownian"}, {"output": "relu"}, {"perturbation": "falling"}, {"fill": "black"}]
)
def test_unknown_forms_are_refused_with_the_known_ones(option: dict[str, str]) -> None:
    with pytest.raises(ib.ConfigError, match=r"davi: unknown .* Available: "):
        Davi(**option)


# The losses (spec 4.4 to 4.7, 7.10).


def test_the_gradient_of_the_divergence_is_the_difference_of_predictions() -> None:
    x, theta, psi = draw(2, *SHAPE).requires_grad_(), draw(2, *SHAPE, use="theta"), draw(2, *SHAPE, use="psi")
    (gradient,) = torch.autograd.grad(losses.ikl(x, theta, psi), x)
    torch.testing.assert_close(gradient, (theta - psi) / x.numel())
    (zero,) = torch.autograd.grad(losses.ikl(x, theta, theta), x)
    assert not zero.any()


@pytest.mark.parametrize("abar", [0.9, 0.5, 0.05])
def test_the_gradient_is_that_of_the_kl_divergence_between_gaussians(abar: float) -> None:
    """In one dimension everything is known: brute force over a million draws against the derivative of the integral.

    q = N(mu, s^2), p = N(m, r^2); diffused, their KL is 1/2 (V/W - 1 - ln(V/W) + a (mu - m)^2 / W), and moving mu by
    d moves it by a (mu - m) / W d. The pseudo-loss leaves out the factor sqrt(abar / (1 - abar)).
    """
    mu, s, m, r = 0.4, 0.3, -0.2, 0.5
    V, W = abar * s**2 + 1 - abar, abar * r**2 + 1 - abar
    rng = ib.Rng.single(use="kl")
    x0, eps = mu + s * rng.randn((1_000_000,))[0].double(), rng.randn((1_000_000,))[0].double()
    x_t = abar**0.5 * x0 + (1 - abar) ** 0.5 * eps
    noise = (1 - abar) ** 0.5
    eps_psi, eps_theta = noise * (x_t - abar**0.5 * mu) / V, noise * (x_t - abar**0.5 * m) / W
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(losses.ikl(x0 + shift, eps_theta, eps_psi), shift)
    expected = abar * (mu - m) / W * ((1 - abar) / abar) ** 0.5
    assert found.item() == pytest.approx(expected, abs=4e-3)


def test_consistency_supervision_and_their_inpainting_and_photon_forms() -> None:
    x0, x_hat = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    x_hat[..., 0] = 3.0
    A = ib.Selection((3, 2, 2), torch.tensor([0, 2]))  # the left column
    assert losses.supervised(x0, x_hat, A, 0.0).item() == 5.0
    assert losses.supervised(x0, x_hat, A, 1.0).item() == pytest.approx(0.1 * 5 + 9)
    y, Hx = torch.tensor([[0.0, -1.0]]), torch.tensor([[0.4, -0.8]])
    assert losses.consistency(y, Hx).item() == pytest.approx((0.16 + 0.04) / 2)
    photon = (0.04 / (2 * 0.5) + 0.01 / (2 / 255)) / 2  # an empty bin counts as one photon
    assert losses.consistency(y, Hx, poisson=True).item() == pytest.approx(photon)


def test_the_schedules_of_the_divergence() -> None:
    prior = plane_prior()
    linear, quad, mapped = (losses.Diffusion(name, 1000, prior) for name in ("linear", "quad", "quad_mapped"))
    assert linear.abar[499].item() == pytest.approx(0.0785872, rel=1e-5)
    assert quad.abar[499].item() == mapped.abar[499].item() == pytest.approx(0.333188, rel=1e-5)
    assert quad.index[499] == 499
    assert [mapped.index[t].item() for t in (0, 99, 249, 499, 749, 999)] == [0, 48, 135, 326, 565, 843]


def test_times_stay_below_T_and_the_gaussian_case_has_its_spread() -> None:
    prior = plane_prior()
    diffusion = losses.Diffusion("linear", 5, prior)
    rng = ib.Rng.for_images([str(i) for i in range(2000)], use="t")
    _, t, _, _ = diffusion.draw(torch.zeros(2000, 1, 1, 2), rng)
    assert sorted(t.unique().tolist()) == [0, 1, 2, 3, 4]
    diffusion = losses.Diffusion("linear", 1000, prior)
    std = 0.7
    x_t, t, _, eps = diffusion.draw(torch.zeros(2000, 1, 1, 2), rng, std)
    abar = prior.abar[t].float()[:, None, None, None]
    score = -x_t / (abar * std**2 + 1 - abar)  # of N(0, abar std^2 + 1 - abar)
    torch.testing.assert_close(eps, -((1 - abar) ** 0.5) * score, rtol=1e-3, atol=1e-4)


def test_mapped_times_are_for_the_network_and_the_noise_has_its_own() -> None:
    diffusion = losses.Diffusion("quad_mapped", 1000, plane_prior())
    rng = ib.Rng.for_images([str(i) for i in range(50)], use="mapped")
    x_t, t, index, eps = diffusion.draw(torch.zeros(50, 1, 1, 2), rng)
    assert torch.equal(index, diffusion.index[t])
    assert (index != t).any()
    torch.testing.assert_close(x_t, (1 - diffusion.abar[t].float()).sqrt()[:, None, None, None] * eps)


def test_the_dirac_posterior_has_the_update_of_red_diff() -> None:
    """Eq. 36: eps_theta - eps, RED-diff's prior term, at the same noise and time."""
    prior, mu, rng = plane_prior(), draw(4, 1, 1, 2).requires_grad_(), ib.Rng.for_images(list("abcd"), use="red")
    x_t, t, _, eps = losses.Diffusion("linear", 1000, prior).draw(mu.detach(), rng)
    (ours,) = torch.autograd.grad(losses.ikl(mu, prior.eps(x_t, t), eps), mu)
    red_diff = (prior.eps(x_t, t) - eps).detach()
    (theirs,) = torch.autograd.grad((red_diff * mu).mean(), mu)
    assert torch.equal(ours, theirs)


# The discriminator (spec 4.7).


def test_the_discriminator_has_the_size_of_the_released_one() -> None:
    judge = adversary.Discriminator()
    assert sum(p.numel() for p in judge.parameters()) == 2_766_529
    assert [out.shape[-1] for out in judge(torch.zeros(1, 3, 256, 256))] == [129, 65, 33, 34, 35]


def test_the_adversarial_losses_are_hinge_and_feature_matching() -> None:
    assert adversary.judge_loss(torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])).item() == 0.5 * (0.5 + 1.0)
    real, fake = [torch.zeros(2), torch.zeros(1)], [torch.tensor([1.0, -3.0]), torch.tensor([4.0])]
    assert adversary.fool_loss(real, fake).item() == 2.0 - 4.0


@pytest.mark.parametrize(("scale", "weight"), [(1.0, 2.0), (1e-6, 10.0), (1e6, 0.01)])
def test_the_adaptive_weight_is_a_clipped_ratio_of_gradients(scale: float, weight: float) -> None:
    W = torch.tensor([1.0, 1.0], requires_grad=True)
    found = adversary.adaptive_weight((2 * W).sum(), (scale * W).sum(), W)
    assert found.item() == pytest.approx(weight, rel=1e-3)


# Inference (spec 4.10) and checkpoints (4.14).


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


def official(folder: Path, net: torch.nn.Module, nested: bool) -> Path:
    """A file of the layout of the authors' release, its weights one tenth of the network's online ones."""
    online = net.state_dict()
    average = {f"ema_model.{k}": v / 10 for k, v in online.items()}
    state = {**{f"online_model.{k}": v for k, v in online.items()}, **average}
    state |= {"initted": torch.tensor(True), "step": torch.tensor(9)}
    path = folder / "sr_averagepooling_ema.pt"
    training_file = {
        "step": 9,
        "implicit_func": online,
        "implicit_func_ema": state,
        "opt_s": {"state": {}},
        "scaler": {},
    }
    torch.save(training_file if nested else state, path)
    return path


@pytest.mark.parametrize("nested", [False, True])
def test_the_authors_checkpoints_load_and_the_average_is_taken(tmp_path: Path, nested: bool) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    solver = Davi(weights=str(official(tmp_path, prior.net, nested)))
    phi = solver.prepare(ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos"), prior)
    for key, value in prior.net.state_dict().items():
        torch.testing.assert_close(phi.net.state_dict()[key], value / 10)


def ours(folder: Path, net: torch.nn.Module, **changed: Any) -> Path:
    card = {
        "benchmark": "photos",
        "task": {"name": "sr4"},
        "solver": {"name": "davi", "bridge": "i2sb", "output": "tanh", "perturbation": "rising"},
        **changed,
    }
    path = folder / "weights.safetensors"
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, path, {"card": json.dumps(card)})
    return path


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
        ({"task": {"name": "sr4", "factor": 2}}, r"was trained with task.factor=2, not 4; train anew"),
        ({"solver": {}}, r"holds no weights of a DAVI training; train them with"),
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


def test_a_task_without_weights_names_the_commands_that_get_them() -> None:
    with pytest.raises(
        ib.DataError, match=r"no weights are shipped .* 'invbench train solver=davi benchmark=photos task=cs4'"
    ):
        Davi().checkpoint("photos", "cs4")
    with pytest.raises(ib.DataError, match=r"no weights at nowhere.pt; train them with"):
        Davi(weights="nowhere.pt").checkpoint("photos", "sr4")


def test_the_authors_checkpoints_are_found_by_preset_and_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    with pytest.raises(ib.DataError, match=r"get it with 'invbench fetch davi_ffhq256_sr4'.*; or train them with"):
        Davi().checkpoint("ffhq256", "sr4")
    (tmp_path / "davi" / "ffhq").mkdir(parents=True)
    path = official(tmp_path / "davi" / "ffhq", torch.nn.Linear(1, 1), nested=False)
    assert Davi().checkpoint("ffhq256", "sr4") == path


def test_the_presets_are_those_of_table_12() -> None:
    found = settings(Davi.options, "imagenet256", "inpaint").values
    assert (found["T"], found["reg"], found["steps"], found["kept"]) == (400, 0.1, 189_000, 1.0)
    assert settings(Davi, "imagenet256", "inpaint").values == {"h": 0.01, "hole": 0.05}
    assert settings(Davi, "ffhq256", "deblur_ddrm_tiled").values == {"h": 0.1}
    assert settings(Davi.options, "ffhq256", "deblur_ddrm_tiled").values["T"] == 400
    for preset in ("ffhq256", "imagenet256"):
        for task in CATALOG.benchmark(preset).main_tasks:
            assert Davi.options(**settings(Davi.options, preset, task).values)


def test_a_smooth_filling_keeps_what_is_measured_and_goes_over_the_hole() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(2, 3, 32, 32)
    measured = torch.ones(1, 1, 32, 32)
    measured[..., 8:24, 8:24] = 0
    found = bridge.filled(ramp * measured, measured.expand_as(ramp))
    assert torch.equal(found * measured, ramp * measured)
    assert (found - ramp).abs().max() < 0.35  # of 2
    torch.testing.assert_close(bridge.filled(torch.ones_like(ramp), measured.expand_as(ramp)), torch.ones_like(ramp))


def test_a_filling_is_part_of_the_form_of_the_weights(tmp_path: Path) -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    problem = ib.Problem(ib.BlockMean((3, 16, 16), 4), None, "sr4", "photos", "photos")
    path = str(ours(tmp_path, prior.net))
    Davi(weights=path, fill="zero").prepare(problem, prior)  # of before there were fillings
    with pytest.raises(ib.DataError, match=r"was trained with fill=zero; set solver.fill=zero"):
        Davi(weights=path, fill="smooth").prepare(problem, prior)


def test_the_hole_of_inpainting_gets_the_noise_of_the_official_code() -> None:
    A, rng = ib.Selection((3, 64, 64), torch.arange(2048)), ib.Rng.for_images(["a"], use="hole")
    filled = bridge.network_input(draw(1, 3, 2048), A, hole=0.05, rng=rng).flatten(2)
    assert torch.equal(filled[..., :2048], draw(1, 3, 2048))
    assert filled[..., 2048:].std().item() == pytest.approx(0.05, rel=0.05)


# Training (Algorithm 1).


class Points(ib.Dataset):
    """Draws of the planar mixture."""

    name = "points"
    x_shape = (1, 1, 2)

    def ids(self) -> list[str]:
        return [str(i) for i in range(100)]

    def load(self, image_id: str) -> Tensor:
        return ib.planar_mixture().sample(ib.Rng.single(image=image_id))[0].float().reshape(1, 1, 2)


def learner(folder: Path, solver: ib.Solver | None = None, **options: Any) -> Any:
    training = Training(folder, {}, Davi.options(**{"batch_size": 4, "steps": 3, **options}), Points())
    task = CATALOG.get("task", "denoise")(noise="gaussian 0.2 [-1,1]")
    made = learning.Learner(solver or Davi(), task, plane_prior(), training)
    for _ in training.steps(1, {}, {}):
        break
    return made


def test_the_parts_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    whole = next(learner(tmp_path).batch(0))
    parts = list(learner(tmp_path, accumulate=2, shared=False).batch(0))
    assert [len(part.x0) for part in parts] == [2, 2]
    assert torch.equal(torch.cat([part.y for part in parts]), whole.y)


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    def gradient(accumulate: int) -> list[Tensor]:
        made = learner(tmp_path, accumulate=accumulate, shared=False)
        parts = list(made.batch(0))
        for part in parts:
            x0_hat = made.restore(part)
            loss = made.sampler_loss(x0_hat, part, 0) + made.divergence(x0_hat, made.diffuse(x0_hat, part), 0)
            made.training.backward(loss / len(parts))
        return [p.grad for p in made.phi.net.parameters()]

    for one, two in zip(gradient(1), gradient(2), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def test_only_phi_learns_from_the_divergence_and_only_psi_from_the_score(tmp_path: Path) -> None:
    made = learner(tmp_path)
    part = next(made.batch(0))
    x0_hat = made.restore(part)
    noised = made.diffuse(x0_hat, part)
    made.training.backward(made.score_loss(x0_hat, noised, 0))
    assert all(p.grad is not None for p in made.psi.net.parameters())
    assert all(p.grad is None for p in made.phi.net.parameters())
    made.training.update(made.optimizers["psi"])
    made.training.backward(made.divergence(x0_hat, noised, 0))
    assert all(p.grad is not None for p in made.phi.net.parameters())
    assert all(p.grad is None for p in made.psi.net.parameters())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"std": 0.5}, "training.std is of training.posterior=gaussian"),
        ({"std": -1.0}, "training.std must not be negative"),
        ({"lr": -1.0}, "training.lr must not be negative"),
        ({"gamma": float("nan")}, "training.gamma must not be negative; got nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ib.ConfigError, match=told):
        Davi.options(**options)


def test_parts_of_other_sizes_count_by_their_images(tmp_path: Path) -> None:
    parts = list(learner(tmp_path, batch_size=5, accumulate=4, shared=False).batch(0))
    assert [(len(part.x0), part.share) for part in parts] == [(2, 0.4), (2, 0.4), (1, 0.2)]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("posterior", ["implicit", "gaussian"])
def test_every_form_of_training_runs(tmp_path: Path, shared: bool, posterior: str) -> None:
    made = learner(tmp_path, shared=shared, posterior=posterior, std=0.1 * (posterior == "gaussian"), redraw=True)
    before = copy.deepcopy(made.psi.net.state_dict())
    path = learning.fit(Davi(), made.task, made.theta, made.training)
    assert path.is_file()
    state = ib.read_tensors(tmp_path / "state.safetensors")[1]
    moved = any(not torch.equal(state[f"psi/{k}"], v) for k, v in before.items())
    assert moved == (posterior == "implicit")


def test_a_photons_loss_is_chosen_by_the_tasks_noise(tmp_path: Path) -> None:
    made = learner(tmp_path, reg=0.0, gamma=1.0)
    made.task = CATALOG.get("task", "denoise")(noise="poisson 0.1")
    part = next(made.batch(0))
    x0_hat = made.restore(part)
    found = made.sampler_loss(x0_hat, part, 0)
    torch.testing.assert_close(found, losses.consistency(part.y, x0_hat, poisson=True))
    assert not math.isclose(found.item(), losses.consistency(part.y, x0_hat).item(), rel_tol=1e-3)


@pytest.mark.parametrize("shared", [True, False])
def test_the_released_codes_form_of_training_runs_on_photographs(tmp_path: Path, shared: bool) -> None:
    class Grey(ib.Dataset):
        name = "grey"
        x_shape = (3, 16, 16)

        def ids(self) -> list[str]:
            return list("abcdef")

        def load(self, image_id: str) -> Tensor:
            return draw(*self.x_shape, image=image_id).clamp(-1, 1)

    options = Davi.options(steps=2, batch_size=2, adversarial=True, bound=True, shared=shared, ikl_schedule="quad")
    training = Training(tmp_path, {}, options, Grey())
    task, prior = CATALOG.get("task", "sr4")(), AdmPhotos().load((3, 16, 16), "cpu")
    learning.fit(Davi(), task, prior, training)
    logged = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[-1])
    assert {"score", "bound", "judge", "fool", "weight", "gap", "consistency", "supervised"} <= logged.keys()
    state = ib.read_tensors(tmp_path / "state.safetensors")[1]
    moved = {key.split("/")[0] for key, value in state.items() if "@" not in key and value.ndim > 1}
    assert moved == {"phi", "psi", "average", "judge"}


def test_what_is_shipped_runs_at_once_and_is_better_than_the_measurement(tmp_path: Path) -> None:
    ran = called(["run", "solver=davi", "benchmark=gmm2d", "task=denoise", "n=64", "samples=16"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = {line.split("  ")[0]: line.split() for line in ran.stdout.splitlines() if " of 16" in line or "pinv" in line}
    assert float(rows["davi, mean of 16"][4 + 1]) > float(rows["pinv"][2])
    assert "davi: trained in" in ran.stdout


@pytest.mark.parametrize("path", sorted(Path(learning.__file__).parent.glob("weights/*/*")), ids=str)
def test_shipped_weights_carry_their_card(path: Path) -> None:
    card = read_card(path)
    assert card["benchmark"] == path.parent.name
    assert card["task"]["name"] == path.stem
    assert {"command", "seed", "seconds", "step", "losses", "validation", "machine"} <= card.keys()
    assert len(card["dataset"]["sha256"]) == 64
    assert "/" not in json.dumps({**card, "origin": ""}).replace("1 / 2", "")


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
