"""What invbench train is asked for: wrong requests."""

from __future__ import annotations

import pytest

import invbench as ib
from invbench.cli.train_plan import build
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog

CATALOG = load_catalog()
PLANE = ["solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["solver=davi"], r"expected task=NAME. Available: .*sr4"),
        (
            ["task=sr4"],
            r"expected solver=NAME task=NAME, or prior=NAME. Trainable solvers: cddb, cddb_deep, davi, i2sb",
        ),
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
        (
            [*PLANE, "device=cpu", "dtype=tf32"],
            r"dtype=tf32 is a precision of NVIDIA GPUs; got device=cpu; choose dtype=float32",
        ),
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
        (["solver=davi", "task=sr4", "+recipe=davi-g"], r"unknown recipe 'davi-g'; did you mean 'davi_g'"),
        (
            ["solver=davi", "task=sr4", "+recipe=davi_g", "dataset=bsds500"],
            r"samples=N trains on images drawn from the prior; leave out dataset=",
        ),
        ([*PLANE, "samples=-1"], r"samples must be at least 0; got -1"),
        ([*PLANE, "seed=-1"], r"seed must be at least 0; got -1"),
        ([*PLANE, "samples=2", "samples_nfe=0"], r"a time grid needs between 1 and 1000 steps; got 0"),
        (["prior=adm_photos", "samples=8"], r"a prior is trained on images alone; leave out samples="),
        ([*PLANE, "save_every=0"], r"save_every must be at least 1; got 0"),
        ([*PLANE, "training.lr=nan"], r"training.lr must not be negative; got nan"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(overrides: list[str], message: str) -> None:
    with pytest.raises(ib.InvbenchError, match=message):
        build(Request.parse(overrides), CATALOG)
