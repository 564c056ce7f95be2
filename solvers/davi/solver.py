"""DAVI: diffusion prior-based amortised variational inference (Lee et al., ECCV 2024), Algorithms 1 and 2.

===========  =======================================================================
phi          the implicit sampler, x0_hat = I_phi(y_a, a): one call restores an image
psi          noise prediction of what phi makes, the score of q_phi
theta        noise prediction of the prior, never trained
y_a          a point of the Perturbed Posterior Bridge between x_0 and y
===========  =======================================================================

Where paper and official code disagree on bridge, schedules, output map or losses, both forms are options.
docs/papers/davi.md numbers the differences, and the source names them by these numbers. The defaults give the released
checkpoints' inference. Differences from the code's training: the divergence lives on the prior's own schedule
(``training.ikl_schedule``), one x0_hat and x_t serve both updates as in Algorithm 1 (``training.shared``), no
adversarial term (``training.adversarial``), and inpainting measures no noise in the masked region.
Its consistency is a mean over what is measured, the code's over all pixels, masked region included: ``training.gamma``
counts n / n_measured times as much as there, 4/3 for a box of half the side, so that the code's gamma is 0.75 of it
here. Colorization shows the network H^+ y, the code y repeated (the images differ by at most 3e-3 before training).
``training.bound`` takes the exact normal distribution function at t = 0, the code an approximation of it by tanh.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import Artifact, OnStep, Prior, Problem, Rng, Task, Trainable, hookimpl

from .options import ABLATIONS, RECIPES, DaviOptions, check
from .released import ARTIFACTS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from invbench import Training

    from .bridge import Bridge

FORM = ("bridge", "output", "perturbation", "fill", "h")  # as in the training


@dataclass(frozen=True)
class Davi(Trainable):
    """One evaluation of a network trained for the task.

    ``weights`` is a file, from which a training starts, or the name of shipped ones (``variational``); without it, a
    run takes the checkpoint shipped for preset and task, and a training begins with the prior. ``h`` is the size of the
    perturbation; ``bridge``, ``output`` and ``perturbation`` are described in ``solvers/davi/bridge.py``, and must be
    those of the training. ``temperature`` scales h in a run: 1 samples as trained, less trades diversity for fidelity.
    ``fill`` and ``hole`` are what the network sees where inpainting measures nothing: 0 ("zero") or a "smooth" surface,
    and noise on it. ``transfer`` allows weights of another task, preset or form.
    """

    name: ClassVar[str] = "davi"
    summary: ClassVar[str] = "one call of a network trained for the task by variational inference"
    paper: ClassVar[str] = "ECCV 2024, Algs. 1 and 2"
    bibtex: ClassVar[str] = (
        "@inproceedings{lee2024davi, title={Diffusion Prior-Based Amortized Variational Inference for Noisy Inverse "
        "Problems}, author={Lee, Sojin and Park, Dogyun and Kong, Inho and Kim, Hyunwoo J.}, booktitle={ECCV}, "
        "year={2024}}"
    )
    options: ClassVar[type[DaviOptions]] = DaviOptions
    artifacts: ClassVar[tuple[Artifact, ...]] = ARTIFACTS
    variants: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {"ablation": ABLATIONS, "recipe": RECIPES}
    weights: str = ""
    h: float = 0.1
    temperature: float = 1.0
    bridge: str = "i2sb"
    output: str = "tanh"
    perturbation: str = "rising"
    fill: str = "zero"
    hole: float = 0.0
    transfer: bool = False

    def __post_init__(self) -> None:
        check(self.bridge, self.output, self.perturbation, self.fill, self.h, self.temperature, self.hole)

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        del prior
        complex_y = problem.A.measures_complex
        return f"its network takes images; the measurement of {problem.task} is complex" if complex_y else None

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        """Algorithm 2."""
        import torch

        from .bridge import END, network_input

        phi: Prior = state.metered(prior.meter) if prior.meter else state
        y_in = network_input(y, problem.A, self.fill, self.hole, rng)
        a = torch.full((1,), END)
        y_1 = self.make_bridge().point(y_in, y_in, a, self.temperature * rng.randn_like(y_in))
        return self.make_bridge().image(y_1, phi.eps(y_1, END), a)

    def fit(self, task: Task, prior: Prior, training: Training) -> Path:
        """Algorithm 1."""
        from .training import fit

        return fit(self, task, prior, training)

    def untrained(self, problem: Problem, prior: Prior) -> Prior:
        return prior.student()

    def prepare(self, problem: Problem, prior: Prior) -> Prior:
        """phi, a prior whose prediction is the raw output. Raises DataError for weights of another task or network."""
        phi = prior.student()
        card = self.load(phi.net, problem.benchmark, {"name": problem.task, **problem.options})
        noise = card.get("task", {}).get("noise")
        trained = ib.parse_noise(noise).sigma_y if noise else None
        if None not in (trained, problem.sigma_y) and trained != problem.sigma_y:
            warnings.warn(
                f"davi was trained at a noise of {trained:g} on [-1,1], not {problem.sigma_y:g}", stacklevel=2
            )
        phi.net.eval().requires_grad_(False)
        return phi

    def load(self, net: nn.Module, benchmark: str, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fill phi's network, for a task of this name and options; returns the metadata of the weights.

        Raises DataError for weights of another training.
        """
        path = self.checkpoint(benchmark, task["name"])
        card, state = read_checkpoint(path)
        if path.suffix == ".safetensors" and not self.transfer:  # the authors' have no metadata
            ib.refuse_other_training(self, card, benchmark, task, path, FORM)
        ib.load_strict(net, state, str(path), card)
        return card

    def checkpoint(self, benchmark: str, task: str) -> Path:
        return ib.trained_weights(self, benchmark, task)

    def make_bridge(self) -> Bridge:
        """The bridge of these options."""
        from .bridge import Bridge

        return Bridge(self.bridge, self.output, self.perturbation, self.h)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata and tensors of our weights, or no metadata and the averaged ones of an official file."""
    if path.suffix == ".safetensors":
        return ib.read_card(path), ib.read_tensors(path)[1]
    state = ib.read_state_dict(path, entry="implicit_func_ema")
    average = {key.removeprefix("ema_model."): v for key, v in state.items() if key.startswith("ema_model.")}
    return {}, average or state


@hookimpl
def invbench_register_solvers() -> list[type[Davi]]:
    return [Davi]
