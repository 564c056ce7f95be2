"""A draw depends on what it is for, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from invbench import Rng
from invbench.rng import seed_of

DRAWS: dict[str, Callable[[Rng], Tensor]] = {
    "randn": lambda rng: rng.randn((3, 4)),
    "randn_like": lambda rng: rng.randn_like(torch.empty(len(rng), 3, 4)),
    "rand": lambda rng: rng.rand((5,)),
    "integers": lambda rng: rng.integers(1000, (5,)),
    "permutation": lambda rng: rng.permutation(20),
    "poisson": lambda rng: rng.poisson(torch.full((len(rng), 6), 30.0)),
}
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


@each_draw
def test_a_row_does_not_depend_on_the_batch(draw: Callable[[Rng], Tensor]) -> None:
    batch = draw(Rng.for_images(["a", "b", "c"], seed=3))
    singles = [draw(Rng.for_images([image], seed=3)) for image in "abc"]
    assert torch.equal(batch, torch.cat(singles))
    assert not torch.equal(batch[0], batch[1])


@each_draw
def test_a_row_does_not_depend_on_the_order(draw: Callable[[Rng], Tensor]) -> None:
    there = draw(Rng.for_images(["a", "b", "c"], seed=3))
    back = draw(Rng.for_images(["c", "b", "a"], seed=3))
    assert torch.equal(there, back.flip(0))


@each_draw
def test_the_second_draw_of_a_row_does_not_depend_on_the_batch(draw: Callable[[Rng], Tensor]) -> None:
    pair, single = Rng.for_images(["a", "b"], seed=3), Rng.for_images(["b"], seed=3)
    first = draw(pair)
    draw(single)
    second = draw(pair)
    assert torch.equal(second[1:], draw(single))
    assert not torch.equal(first, second)


@each_draw
def test_the_same_key_repeats_and_another_seed_does_not(draw: Callable[[Rng], Tensor]) -> None:
    first, again, other = (draw(Rng.for_images(["a"], seed=s, purpose="noise")) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@each_draw
def test_the_global_generator_is_left_alone(draw: Callable[[Rng], Tensor]) -> None:
    before = torch.get_rng_state()
    draw(Rng.for_images(["a", "b"], seed=0))
    draw(Rng.single(seed=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_zero_is_a_seed_of_its_own() -> None:
    assert len({seed_of(image="a"), seed_of(image="a", seed=0), seed_of(image="a", seed=1)}) == 3
    without, zero = (Rng.single(**axes).randn((8,)) for axes in ({"use": "mask"}, {"use": "mask", "seed": 0}))
    assert not torch.equal(without, zero)


def test_the_order_of_the_axes_does_not_matter_but_their_names_do() -> None:
    assert seed_of(seed=1, image="a", task="sr4") == seed_of(task="sr4", image="a", seed=1)
    assert seed_of(image="a", task="b") != seed_of(image="b", task="a")
    assert seed_of(seed=1) != seed_of(seed="1")


def test_a_seed_fits_a_generator() -> None:
    seeds = [seed_of(seed=i) for i in range(500)]
    assert len(set(seeds)) == 500
    assert all(0 <= s < 2**63 for s in seeds)


def test_seeds_never_change() -> None:
    """Published numbers depend on these values."""
    assert seed_of() == int("44136fa355b3678a", 16) >> 1  # SHA-256 of "{}"


def test_single_has_one_generator() -> None:
    assert Rng.single(purpose="mask").permutation(10).shape == (1, 10)


def test_randn_like_follows_its_argument_and_refuses_another_number_of_rows() -> None:
    rng = Rng.for_images(["a", "b"], seed=0)
    assert rng.randn_like(torch.empty(2, 3, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(ValueError, match="rng has 2 generators; x has 3 rows"):
        rng.randn_like(torch.empty(3, 5))


def test_draws_have_their_distribution() -> None:
    rng = Rng.for_images(["a"], seed=0)
    normal, uniform = rng.randn((40_000,)), rng.rand((40_000,))
    assert normal.mean().item() == pytest.approx(0, abs=0.02)  # four standard errors
    assert normal.std().item() == pytest.approx(1, abs=0.015)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.006)
    assert sorted(rng.permutation(50)[0].tolist()) == list(range(50))
    assert set(rng.integers(3, (100,))[0].tolist()) == {0, 1, 2}
    assert rng.poisson(torch.full((1, 40_000), 9.0)).mean().item() == pytest.approx(9, abs=0.06)


@each_draw
def test_one_generator_for_a_batch_repeats_and_its_rows_differ(draw: Callable[[Rng], Tensor]) -> None:
    first, again, other = (draw(Rng.for_batch(3, seed=0, step=s)) for s in (4, 4, 5))
    assert len(first) == 3
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("make", [lambda: Rng.for_batch(6, seed=0), lambda: Rng.for_images(list("abcdef"))])
def test_the_parts_of_a_batch_draw_its_rows(make: Callable[[], Rng]) -> None:
    whole, parted = make(), make()
    whole.rand(()), parted.rand(())  # what was drawn before counts
    parts = [parted.part(slice(0, 4)), parted.part(slice(4, 6))]
    parts = [*[parts[0].part(slice(i, i + 2)) for i in (0, 2)], parts[1]]
    assert [len(part) for part in parts] == [2, 2, 2]
    for _ in range(2):
        assert torch.equal(whole.randn((5,)), torch.cat([part.randn((5,)) for part in parts]))
        assert torch.equal(whole.integers(99, ()), torch.cat([part.integers(99, ()) for part in parts]))
