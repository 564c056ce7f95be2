"""What is asked for: a cell, a shard of it, and whether a process of its own runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from invbench.errors import ConfigError, DataError
from invbench.harness.choices import choices
from invbench.harness.outcome import Outcome
from invbench.harness.request import Request, faults_of, job_requests, named
from invbench.plugins import load_catalog

CATALOG = load_catalog()


def request(*words: str, solver: str = "ddrm", reference: str = "") -> Request:
    (choice,) = choices([f"solver={solver}", "task=sr4", *words], CATALOG)
    return Request(choice, reference, "invbench run")


def test_shards_are_parts_of_a_whole_that_is_to_be_parted() -> None:
    whole = request("shards=3")
    assert (whole.in_parts, whole.is_part, whole.title) == (True, False, "photos/sr4/ddrm")
    part = whole.part(1)
    assert (part.in_parts, part.is_part, part.shard) == (False, True, (1, 3))
    assert part.title == "photos/sr4/ddrm, shard 1/3"
    assert not replace(whole, joins=True).in_parts
    alone = request("shard=1/3")
    assert (alone.in_parts, alone.is_part) == (False, False), "of a command of its own"


@pytest.mark.parametrize(
    ("words", "apart"),
    [
        ([], False),
        (["isolate=true"], True),
        (["timeout=5"], True),
        (["shards=2"], True),
    ],
)
def test_a_process_of_its_own_is_for_what_is_at_risk(words: list[str], apart: bool) -> None:
    assert request(*words).at_risk(CATALOG) is apart


def test_references_come_before_the_jobs_own_solver_and_it_is_not_among_them() -> None:
    own = request("isolate=false")
    names = [each.reference for each in job_requests(own.choice, CATALOG, own)]
    assert names == [*CATALOG.benchmark("photos").references, ""]
    pinv = request("isolate=false", solver="pinv")
    assert "pinv" not in [each.reference for each in job_requests(pinv.choice, CATALOG, pinv)]
    only = request("references=false", "isolate=false")
    assert job_requests(only.choice, CATALOG, only) == [only]


def test_absent_weights_are_told_before_any_reference_is_run() -> None:
    lost = request("solver.weights=nowhere", "isolate=false", solver="davi")
    with pytest.raises(DataError, match="davi: no weights at nowhere"):
        job_requests(lost.choice, CATALOG, lost)


def test_faults_are_a_line_each_with_the_cell_they_are_of() -> None:
    of = request(reference="pinv")
    outcome = Outcome("failed", "c", "pinv", Path("x"), 0, "no luck", faults={"psnr": "broke"})
    assert faults_of(of, outcome) == [
        "photos/sr4/pinv: no luck",
        "photos/sr4/pinv: metric psnr failed, and its scores are left out: broke",
    ]
    assert faults_of(of, replace(outcome, status="skipped", faults={})) == []
    assert named(of, ConfigError("wrong\udce9")) == "photos/sr4/pinv: wrong\\udce9"
    assert named(of, ConfigError("photos/sr4/pinv: wrong")) == "photos/sr4/pinv: wrong"
