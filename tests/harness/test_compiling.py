"""Compiled networks: one graph, the same numbers but for rounding, and only where that pays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from made_networks import TINY, draw, randomised
from running import Run, Toy, cell_of, run_json
from torch import Tensor

import invbench as ib
from invbench.errors import ConfigError
from invbench.harness.compiling import REPAYING_CALLS, compiled, repays
from invbench.harness.config import parse_compile
from invbench.harness.solving import Worker
from invbench.plugins import load_catalog
from invbench.priors.adm.prior import AdmPrior
from invbench.priors.gmm_prior import GmmPrior

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "compiled"))


def tiny() -> AdmPrior:
    return AdmPrior(randomised(TINY).to(memory_format=torch.channels_last), SHAPE)


def test_the_network_is_one_graph() -> None:
    net, x = randomised(TINY), draw(2, *SHAPE)
    graphs: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    for rows in (1, 2):  # a time step that the batch shares, and one for each row
        torch._dynamo.reset()
        graphs.clear()
        with torch.inference_mode():
            out = torch.compile(net, backend=backend, fullgraph=True)(x, torch.full((rows,), 300))
        assert len(graphs) == 1
        torch.testing.assert_close(out, net(x, torch.full((2,), 300)), rtol=1e-4, atol=1e-5)


def test_its_gradient_is_one_graph() -> None:
    net, x = randomised(TINY), draw(2, *SHAPE)
    grads = []
    for call in (net, torch.compile(net, backend="aot_eager", fullgraph=True)):
        z = x.clone().requires_grad_()
        call(z, torch.tensor([300])).square().sum().backward()
        grads.append(z.grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4 * float(grads[0].abs().max()))


@pytest.mark.long
@pytest.mark.parametrize("needs_grad", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_compiled_prior_predicts_what_it_predicted_before(needs_grad: bool) -> None:
    prior, x = tiny(), draw(2, *SHAPE)
    fast = compiled(prior, 2, needs_grad)
    with torch.inference_mode(not needs_grad):
        torch.testing.assert_close(fast.eps(x, 300), prior.eps(x, 300), rtol=1e-4, atol=1e-5)
    assert torch.equal(fast.eps(x[:1], 300), prior.eps(x[:1], 300))  # a batch of another size is not compiled again


def test_a_prior_without_a_network_cannot_be_compiled() -> None:
    prior = load_catalog().get("prior", "gmm")().load((3, 16, 16), "cpu")
    assert isinstance(prior, GmmPrior)
    with pytest.raises(ConfigError, match="GmmPrior has no network to compile; leave compile out"):
        compiled(prior, 2, needs_grad=False)


def test_a_network_that_cannot_be_compiled_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(ConfigError, match=r"failed \(RuntimeError: no compiler here\); use compile=false"):
        compiled(tiny(), 2, needs_grad=False)


def test_it_pays_on_a_gpu_from_a_number_of_calls_on() -> None:
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert repays(cuda, REPAYING_CALLS)
    assert not repays(cuda, REPAYING_CALLS - 1)
    assert not repays(cpu, 10**9)


@pytest.mark.parametrize(("text", "value"), [("auto", None), ("true", True), (False, False), ("True", True)])
def test_the_option_is_true_false_or_auto(text: object, value: bool | None) -> None:
    assert parse_compile(text) is value


def test_another_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="compile must be true, false or auto; got 'maybe'"):
        parse_compile("maybe")


def fails(net: Any, **options: Any) -> Any:
    """A torch.compile of which every call fails."""

    def call(*args: Any) -> Tensor:
        raise RuntimeError("no compiler here")

    return call


@dataclass(frozen=True)
class Caller(Toy):
    """Calls the prior twice."""

    name: ClassVar[str] = "caller"

    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        return prior.x0(y + prior.eps(y, 300), 300)


def test_a_run_tells_what_compiling_took(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda net, **options: net)  # the compiler itself is tried above
    cell = cell_of(Caller(), benchmark="photos")
    fast, plain = (run_json(run(cell, compile=choice, out=tmp_path / str(choice), n=2)) for choice in (True, False))
    assert fast["status"] == plain["status"] == "complete"
    assert fast["cost"]["compile_seconds"] > 0 == plain["cost"]["compile_seconds"]
    assert fast["cell"] == plain["cell"]
    assert fast["cost"]["nfe_forward"] == plain["cost"]["nfe_forward"] == 4


def test_a_compiler_that_is_absent_fails_no_cell_that_did_not_ask_for_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(Worker, "_repays", lambda *_: True)
    cell = cell_of(Caller(), benchmark="photos")
    with pytest.warns(UserWarning, match=r"no compiler here.* The network is not compiled"):
        assert run(cell, compile=None, out=tmp_path / "auto", n=2).status == "complete"
    asked = run(cell, compile=True, out=tmp_path / "asked", n=2)
    assert asked.status == "failed"
    assert "use compile=false" in asked.reason


def test_calls_are_not_counted_on_a_cpu(run: Run) -> None:
    run(cell_of(Caller(), benchmark="photos"), compile=None, n=2)
    assert Caller.calls == [2]  # of the run alone
