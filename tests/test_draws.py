"""Draws made ahead are those made when asked, bit for bit, whatever comes in between; here forced on for the CPU."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import threading
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from invbench import Rng, draws

Call = Callable[[Rng], object]
IMAGE, OTHER = torch.empty(3, 3, 8, 8), torch.empty(3, 40)
CALLS: list[Call] = [
    lambda rng: rng.randn_like(IMAGE),
    lambda rng: rng.randn_like(IMAGE),
    lambda rng: rng.randn_like(IMAGE.double()),
    lambda rng: rng.randn_like(IMAGE.to(torch.complex64)),
    lambda rng: rng.randn_like(OTHER),
    lambda rng: rng.randn_like(torch.empty(3, 5)),  # fewer than 16: half of a pair of normals is kept for later
    lambda rng: rng.randn((4, 4)),
    lambda rng: rng.rand(()),
    lambda rng: rng.integers(9, (2,)),
    lambda rng: rng.permutation(7),
    lambda rng: rng.poisson(torch.full((3, 6), 30.0)),
    lambda rng: torch.randn(3, generator=rng.generators[1]),
    lambda rng: copy.copy(rng).randn_like(IMAGE),
    lambda rng: copy.deepcopy(rng).randn_like(IMAGE),
    lambda rng: Rng(rng.generators[1:]).randn_like(IMAGE[1:]),
    lambda rng: rng.generators[0].manual_seed(3),
]


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "AHEAD", {"cpu"})


def fresh() -> Rng:
    return Rng.for_images(["a", "b", "c"], seed=3)


def plain(calls: list[Call]) -> list[object]:
    """What the calls give where nothing is drawn ahead."""
    assert "cpu" not in draws.AHEAD
    rng = fresh()
    return [call(rng) for call in calls]


def same(got: list[object], expected: list[object]) -> bool:
    pairs = [(a, b) for a, b in zip(got, expected, strict=True) if isinstance(b, Tensor)]
    return all(isinstance(a, Tensor) and a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_calls_gives_the_same_numbers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long threads take to begin and to end."""
    chance = random.Random(seed)
    calls = [chance.choice(CALLS) for _ in range(30)]
    expected = plain(calls)
    fill = draws._fill

    def late(row: Tensor, generator: torch.Generator) -> None:
        time.sleep(chance.choice([0, 0, 1e-3]))
        fill(row, generator)

    monkeypatch.setattr(draws, "_fill", late)
    monkeypatch.setattr(draws, "AHEAD", {"cpu"})
    rng, got = fresh(), []
    for call in calls:
        got.append(call(rng))
        time.sleep(chance.choice([0, 1e-3]))
    assert same(got, expected)
    ends = torch.stack([g.get_state() for g in rng.generators])
    monkeypatch.setattr(draws, "AHEAD", set())
    again = fresh()
    for call in calls:
        call(again)
    assert torch.equal(ends, torch.stack([g.get_state() for g in again.generators]))


@pytest.mark.parametrize(("pattern", "unforeseen"), [("a" * 20, 1), ("a" + "ab" * 10, 4)], ids=["one", "two in turn"])
def test_a_draw_that_can_be_foreseen_is_not_made_again(
    pattern: str, unforeseen: int, ahead: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is begun behind each draw, and one for each that was not foreseen: the first, and changes of pattern."""
    begun: list[tuple[int, ...]] = []
    begin = draws._begin
    monkeypatch.setattr(draws, "_begin", lambda *args: begun.append(args[2]) or begin(*args))
    rng = fresh()
    for letter in pattern:
        rng.randn_like({"a": IMAGE, "b": OTHER}[letter])
    assert len(begun) - len(pattern) <= unforeseen


def test_what_a_caller_does_with_a_draw_changes_no_other(ahead: None) -> None:
    rng = fresh()
    first = rng.randn_like(IMAGE)
    kept = first.clone()
    second = rng.randn_like(IMAGE)
    assert torch.equal(first, kept)
    second.zero_()
    third = rng.randn_like(IMAGE)
    assert third.std() > 0.5


def test_a_draw_begun_without_gradients_can_have_them(ahead: None) -> None:
    rng = fresh()
    with torch.inference_mode():
        rng.randn_like(IMAGE)
    z = rng.randn_like(IMAGE)
    x = torch.ones_like(z).requires_grad_()
    (x * z).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, z)


def test_an_error_in_a_thread_is_the_callers(ahead: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(row: Tensor, generator: torch.Generator) -> None:
        raise MemoryError("no room")

    rng = fresh()
    expected = rng.randn_like(IMAGE)
    with monkeypatch.context() as patched:
        patched.setattr(draws, "_fill", broken)
        rng.randn_like(IMAGE)  # drawn before; the next is begun, and fails
        with pytest.raises(MemoryError, match="no room"):
            rng.randn_like(IMAGE)
    again = fresh()
    assert torch.equal(again.randn_like(IMAGE), expected)
    again.randn_like(IMAGE)
    assert torch.equal(rng.randn_like(IMAGE), again.randn_like(IMAGE)), "the failed draw took no numbers"


def test_no_thread_is_left_when_nobody_draws(ahead: None) -> None:
    def alive() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("invbench-draws")]

    one, other = fresh(), fresh()
    for rng in (one, other):
        rng.randn_like(IMAGE)
        rng.randn_like(IMAGE)
    assert 1 <= len(alive()) <= draws.THREADS, "shared by all"
    del one, other, rng
    gc.collect()
    deadline = time.monotonic() + 10
    while alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda rng: pickle.loads(pickle.dumps(rng))])
def test_an_rng_is_copied_as_it_stands(copied: Callable[[Rng], Rng], ahead: None) -> None:
    rng = fresh()
    rng.randn_like(IMAGE)
    again = fresh()
    again.randn_like(IMAGE)
    assert torch.equal(copied(rng).randn_like(IMAGE), again.randn_like(IMAGE))


def test_an_rng_is_still_a_value() -> None:
    rng = fresh()
    assert rng == Rng(rng.generators)
    assert "_draws" not in repr(rng)
    with pytest.raises(AttributeError):
        rng.generators = ()  # type: ignore[misc]


def test_on_a_cpu_nothing_is_drawn_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network has the cores."""
    monkeypatch.setattr(draws.Draws, "normal", lambda *_: pytest.fail("drawn ahead"))
    rng = fresh()
    rng.randn_like(IMAGE)
    rng.randn_like(IMAGE)
