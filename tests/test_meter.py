"""What is counted and timed."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from invbench import LinearOperator, Prior
from invbench.meter import Meter, Stopwatch, peak_bytes, synchronize
from invbench.schedule import alpha_bar, linear_betas

CPU = torch.device("cpu")


class Toy(Prior):
    """Differentiable; waits ten milliseconds."""

    x_shape = (1, 2, 2)
    abar = torch.from_numpy(alpha_bar(linear_betas()))

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        time.sleep(0.01)
        return x_t.sin(), x_t.tanh()


@pytest.fixture
def meter() -> Meter:
    return Meter()


def test_every_row_of_every_forward_call_counts(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.zeros(3, 1, 2, 2)
    prior.eps(x, 5)
    prior.x0(x, 5)
    prior.eps_and_v(x[:2], torch.tensor([1, 2]))
    assert meter.forward == 8
    assert meter.backward == 0


def test_what_needs_no_network_is_free(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.zeros(3, 1, 2, 2)
    prior.to_x0(x, x, 5)
    prior.alpha_bar(7)
    assert meter.forward == 0


def test_every_row_of_every_backward_pass_counts(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.ones(3, 1, 2, 2, requires_grad=True)
    torch.autograd.grad(prior.x0(x, 5).sum(), x)
    assert (meter.forward, meter.backward) == (3, 3)
    twice = prior.eps(x, 5).sum()
    torch.autograd.grad(twice, x, retain_graph=True)
    torch.autograd.grad(twice, x)
    assert (meter.forward, meter.backward) == (6, 9)


def test_a_backward_pass_through_two_evaluations_counts_both(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.ones(2, 1, 2, 2, requires_grad=True)
    prior.eps(prior.eps(x, 5), 3).sum().backward()
    assert (meter.forward, meter.backward) == (4, 4)


def test_a_gradient_that_avoids_the_network_is_free(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.ones(2, 1, 2, 2, requires_grad=True)
    (x * prior.eps(x, 5).detach()).sum().backward()
    assert (meter.forward, meter.backward) == (2, 0)


def test_a_gradient_through_the_variance_alone_counts(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.ones(2, 1, 2, 2, requires_grad=True)
    _, v = prior.eps_and_v(x, 5)
    assert v is not None
    v.sum().backward()
    assert meter.backward == 2


def test_counting_does_not_change_the_gradient(meter: Meter) -> None:
    x = torch.ones(2, 1, 2, 2, requires_grad=True)
    plain, counted = (torch.autograd.grad(p.eps(x, 5).sum(), x)[0] for p in (Toy(), Toy().metered(meter)))
    assert torch.equal(plain, counted)


def test_only_the_metered_copy_counts(meter: Meter) -> None:
    prior = Toy()
    prior.metered(meter)
    prior.eps(torch.zeros(1, 1, 2, 2), 5)
    assert prior.meter is None
    assert meter.forward == 0


def test_network_time_adds_up(meter: Meter) -> None:
    prior, x = Toy().metered(meter), torch.zeros(1, 1, 2, 2)
    assert meter.network.seconds == 0
    prior.eps(x, 5)
    first = meter.network.seconds
    time.sleep(0.05)  # outside: not counted
    prior.eps(x, 5)
    assert first >= 0.01
    assert meter.network.seconds >= first + 0.01
    assert first < 0.05 or meter.network.seconds < first + 0.05  # one of two short calls is not delayed


class Slow(torch.autograd.Function):
    """Identity whose backward pass waits twenty milliseconds."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        time.sleep(0.02)
        return grad


class SlowBack(Toy):
    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        return Slow.apply(x_t), None


class SlowOperator(LinearOperator):
    x_shape = y_shape = (1, 2, 2)

    def _A(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return Slow.apply(x)


def test_network_and_operator_are_timed_apart_forward_and_backward(meter: Meter) -> None:
    """No bound from above: a machine that does other things may delay any call. Nothing is counted twice."""
    prior, A = SlowBack().metered(meter), SlowOperator().metered(meter)
    begin = time.perf_counter()
    for steps in (1, 2):
        before = meter.pullback.seconds
        x = torch.ones(2, 1, 2, 2, requires_grad=True)
        loss = A(prior.x0(x, 5)).sum()
        assert meter.pullback.seconds == before
        torch.autograd.grad(loss, x)
        assert meter.pullback.seconds >= before + 0.02
        assert meter.operator.seconds >= 0.03 * steps
    parts = meter.network.seconds + meter.pullback.seconds + meter.operator.seconds
    assert parts <= time.perf_counter() - begin


def test_the_transpose_by_differentiation_is_operator_time(meter: Meter) -> None:
    A = SlowOperator()
    y = torch.ones(2, 1, 2, 2)
    assert torch.equal(A.metered(meter).T(y), A.T(y))
    assert meter.operator.seconds >= 0.03


def test_a_stopwatch_adds_its_spans_and_nothing_between() -> None:
    watch, begin = Stopwatch(), time.perf_counter()
    for _ in range(3):
        with watch.span(CPU):
            time.sleep(0.01)
    spans = time.perf_counter() - begin
    time.sleep(0.05)
    synchronize(CPU)
    assert 0.03 <= watch.seconds <= spans


def test_peak_memory_of_a_process_is_at_least_what_it_holds() -> None:
    held = torch.ones(2**24)  # 64 MiB
    assert held.nbytes < peak_bytes(CPU) < 2**40
