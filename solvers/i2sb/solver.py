"""I2SB: image-to-image Schroedinger bridge (Liu et al., ICML 2023), Algorithms 1 and 2.

==============  ================================================================
code            paper
==============  ================================================================
x_0, x_1        the clean image and the measurement as an image
x_a             a point of the bridge between them, a = 0 ... 999
out             epsilon(x_a, a), the prediction of (x_a - x_0) / sigma_f(a)
==============  ================================================================

Differences from the official code: x_1 has the measurement's noise, which the code's tasks have not; with inpainting
the network therefore restores the measured pixels as well, unless ``masked`` asks for the code's form, in which they
stay as they were measured and the loss is of the hole alone. The network keeps the prior's channels of the variance,
which nothing reads; the authors' networks have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import ConfigError, OnStep, Prior, Problem, Rng, Task, Trainable, hookimpl

from .options import I2SBOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from invbench import Training

    from .bridge import Bridge

FORM = ("beta_max", "ot_ode", "masked")  # as in the training
FAMILY = ("i2sb", "cddb", "cddb_deep")  # solvers of one network


@dataclass(frozen=True)
class I2SB(Trainable):
    """A chain of ``nfe`` calls, 1 to 999, from the measurement to the image, of a network trained for the task.

    ``beta_max`` is the size of the bridge's noise; ``ot_ode`` leaves it out; ``masked`` is the official form of
    inpainting; these must be those of the training. ``clip`` limits predicted images to [-1, 1]. ``weights`` is a file;
    without it, a run takes the network shipped for preset and task, and a training begins with the prior. ``transfer``
    allows weights of another task, preset or form.
    """

    name: ClassVar[str] = "i2sb"
    summary: ClassVar[str] = "Schroedinger bridge from the measurement to the image, trained for the task"
    paper: ClassVar[str] = "arXiv:2302.05872, Algs. 1 and 2"
    bibtex: ClassVar[str] = (
        "@inproceedings{liu2023i2sb, title={I2SB: Image-to-Image Schroedinger Bridge}, author={Liu, Guan-Horng and "
        "Vahdat, Arash and Huang, De-An and Theodorou, Evangelos A and Nie, Weili and Anandkumar, Anima}, "
        "booktitle={ICML}, year={2023}}"
    )
    options: ClassVar[type[I2SBOptions]] = I2SBOptions
    nfe: int = 100
    beta_max: float = 0.3
    ot_ode: bool = False
    masked: bool = False
    clip: bool = False
    weights: str = ""
    transfer: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.nfe <= 999:
            raise ConfigError(f"{self.name}: nfe must be 1 to 999, the steps of the bridge; got {self.nfe}")
        if not self.beta_max > 0:
            raise ConfigError(f"{self.name}: beta_max must be above 0; got {self.beta_max}")

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        del prior
        complex_y = problem.A.measures_complex
        return f"its network takes images; the measurement of {problem.task} is complex" if complex_y else None

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        """Algorithm 2."""
        import torch

        from .bridge import hole, network_time, start

        net: Prior = state.metered(prior.meter) if prior.meter else state
        bridge, x_1 = self.make_bridge(), start(y, problem.A, rng)
        missing = hole(problem.A, y) if self.masked else None
        times = torch.arange(1000, device=y.device)
        x_a = x_1
        for a, a_next in pairwise(ib.even_grid(self.nfe + 1)):
            index = times[a : a + 1]
            with torch.set_grad_enabled(self.needs_grad):
                x_in = x_a.detach().requires_grad_(self.needs_grad)
                x0_hat = x_in - bridge.sigma_f(index, x_a) * net.eps(x_in, network_time(index))
                x0_hat = x0_hat.clamp(-1, 1) if self.clip else x0_hat
                correction = self.correction(x0_hat, x_in, y, problem, bridge.share(a, a_next))
            x0_hat = x0_hat.detach()
            if on_step:
                on_step({"t": a, "x0": x0_hat})
            x_a = bridge.step(x_a, x0_hat, a, a_next, rng) - correction
            if missing is not None:
                x_a = torch.where(missing, x_a, x_1)
        return x_a

    def correction(self, x0_hat: Tensor, x_a: Tensor, y: Tensor, problem: Problem, share: float) -> Tensor | float:
        """What a step toward the measurement takes off the next point: none here."""
        del x0_hat, x_a, y, problem, share
        return 0.0

    def fit(self, task: Task, prior: Prior, training: Training) -> Path:
        """Algorithm 1."""
        from .training import fit

        return fit(self, task, prior, training)

    def untrained(self, problem: Problem, prior: Prior) -> Prior:
        return prior.student()

    def prepare(self, problem: Problem, prior: Prior) -> Prior:
        """The network. Raises DataError for weights of another task or network."""
        net = prior.student()
        self.load(net.net, problem.benchmark, {"name": problem.task, **problem.options})
        net.net.eval().requires_grad_(False)
        return net

    def checkpoint(self, benchmark: str, task: str) -> Path:
        return ib.trained_weights(self, benchmark, task)

    def load(self, net: nn.Module, benchmark: str, task: Mapping[str, Any]) -> None:
        """Fill the network, for a task of this name and options. Raises DataError for weights of another training."""
        path = self.checkpoint(benchmark, task["name"])
        card, state = read_checkpoint(path, net)
        if path.suffix == ".safetensors" and not self.transfer:  # the authors' have no metadata
            ib.refuse_other_training(self, card, benchmark, task, path, FORM, FAMILY)
        ib.load_strict(net, state, str(path), card)

    def make_bridge(self) -> Bridge:
        """The bridge of these options."""
        from .bridge import Bridge

        return Bridge(self.beta_max, self.ot_ode)


def read_checkpoint(path: Path, net: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata and tensors of our weights, or no metadata and the averaged ones of an official file.

    Its network has no channels for the variance: they are added, as zeros.
    """
    if path.suffix == ".safetensors":
        return ib.read_card(path), ib.read_tensors(path)[1]
    state = ib.read_state_dict(path, entry="ema", names="net")
    state = {key.removeprefix("diffusion_model."): value for key, value in state.items()}
    own = net.state_dict()
    for key in ("out.2.weight", "out.2.bias"):
        if key in own and key in state and 2 * len(state[key]) == len(own[key]):
            value = state[key]
            state[key] = value.new_zeros(own[key].shape)
            state[key][: len(value)] = value
    return {}, state


@hookimpl
def invbench_register_solvers() -> list[type[I2SB]]:
    return [I2SB]
