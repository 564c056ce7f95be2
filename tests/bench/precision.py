"""The error of each precision against float32, of the predicted noise and of DDRM's images. ``precision.py cuda``

Eight crops of ``photos``, super-resolution by four, the prior that ships. A GPU has tf32 besides.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from invbench.device import arithmetic, choose_device
from invbench.harness.bank import MeasurementBank
from invbench.harness.nodes import make
from invbench.plugins import load_catalog
from invbench.prior import Prior
from invbench.rng import Rng

STEPS = (10, 100, 300, 600, 990)
CROPS = 8


def main(name: str) -> None:
    """Print a line for each precision."""
    catalog, device = load_catalog(), choose_device(name)
    benchmark, dataset = catalog.benchmark("photos"), catalog.get("dataset", "photos")()
    task = make(catalog.get("task", "sr4"), benchmark.tasks["sr4"], "task")
    bank = MeasurementBank.open(benchmark, dataset, task, seed=0)
    images = dataset.ids()[:CROPS]
    measured, problem, solver = bank.measure(images), bank.problem(device), catalog.get("solver", "ddrm")()

    def predicted(prior: Prior) -> list[Tensor]:
        found = []
        for t in STEPS:
            abar, x0 = prior.alpha_bar(t), measured.x.to(device)
            noise = Rng.for_images(images, purpose="precision").randn_like(x0)
            found.append(prior.eps(abar**0.5 * x0 + (1 - abar) ** 0.5 * noise, t))
        return found

    def psnr(prior: Prior) -> Tensor:
        state, rng = solver.prepare(problem, prior), bank.rng(images, solver.name, 0)
        x_hat = solver.solve(measured.y.to(device), problem, prior, state, rng).cpu()
        return 10 * (4 / (x_hat.clamp(-1, 1) - measured.x).square().flatten(1).mean(1)).log10()

    results = {}
    for dtype in ("float32", *(["tf32"] if device.type == "cuda" else []), "bfloat16", "float16"):
        prior = catalog.get("prior", "adm_photos")(dtype=dtype).load(dataset.x_shape, device)
        with arithmetic(dtype), torch.inference_mode():
            results[dtype] = predicted(prior), psnr(prior)
    exact, base = results["float32"]
    for dtype, (eps, scores) in results.items():
        errors = [float((a - b).norm() / b.norm()) for a, b in zip(eps, exact, strict=True)]
        off = scores - base
        steps = ", ".join(f"{error:.1e} at {t}" for t, error in zip(STEPS, errors, strict=True))
        print(
            f"{dtype}: eps {steps}; PSNR {float(off.mean()):+.4f} dB, at most {float(off.abs().max()):.4f} of an image"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
