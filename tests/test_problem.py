"""What a solver may know of a measurement."""

from __future__ import annotations

import dataclasses

import pytest

import invbench as ib


def test_the_problem_has_the_shape_of_images_and_no_truth() -> None:
    problem = ib.Problem(ib.BlockMean((3, 8, 4), 2), 0.1, "sr4", "photos")
    assert (problem.x_shape, problem.sigma) == ((3, 8, 4), 0.1)
    names = {field.name for field in dataclasses.fields(problem)}
    assert names == {"A", "sigma_y", "task", "dataset", "benchmark", "options"}


def test_a_hidden_level_is_not_read_as_a_number() -> None:
    with pytest.raises(AssertionError, match="must declare needs_sigma"):
        ib.Problem(ib.Identity((1, 2, 2)), None, "denoise", "photos").sigma  # noqa: B018
