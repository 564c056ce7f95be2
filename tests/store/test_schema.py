"""What identifies a cell, and what is written of it."""

from __future__ import annotations

from made import bench_of, made_run
from msgspec.structs import replace

from invbench.store.schema import Cost, Score, ScoredSet, signed

CONFIG = made_run({"task": {"name": "t", "factor": 4, "sha256": "0f"}, "solver": {"name": "s", "nfe": 20}}).config


def test_options_stand_beside_the_name_and_come_back() -> None:
    assert CONFIG.task.plain() == {"name": "t", "factor": 4, "sha256": "0f"}
    assert "sha256" not in CONFIG.solver.plain()
    assert made_run(CONFIG.plain()).config == CONFIG


def test_the_digest_is_of_what_determines_numbers_whatever_its_order() -> None:
    turned = replace(CONFIG.solver, options={"nfe": 20, **CONFIG.solver.options})
    assert replace(CONFIG, solver=turned).digest() == CONFIG.digest()
    for change in ({"seed": 1}, {"samples": 2}, {"assumed": "0.1 [-1,1]"}, {"plugins": {"p": "1"}}):
        assert replace(CONFIG, **change).digest() != CONFIG.digest()
    assert "assumed" not in CONFIG.plain(), "as in records of before it existed"


def test_what_two_stretches_cost_adds_up_but_for_the_peak() -> None:
    total = Cost(solve_seconds=1.0, nfe_forward=3, peak_bytes=5) + Cost(solve_seconds=2.0, peak_bytes=4)
    assert total == Cost(solve_seconds=3.0, nfe_forward=3, peak_bytes=5)


def test_names_of_shipped_files_are_no_places_of_this_machine() -> None:
    run = made_run({}, places={"solver.weights": "variational", "task.mask": "m.png", "dataset.root": "/data/x"})
    assert run.named == {"solver.weights": "variational"}
    assert {"training", "traceback"}.isdisjoint(run.plain()), "what there is nothing of"


def test_the_number_of_images_is_not_written_beside_their_names() -> None:
    score = Score("m", "p", "", 1.0, 0.5, 1.5, 1)
    written = {"metric": "m", "protocol": "p", "unit": "", "value": 1.0, "low": 0.5, "high": 1.5}
    assert ScoredSet(["x"], [score]).plain()["scores"] == [written]
    parts = [0.9, 1.1]
    assert ScoredSet(["x"], [replace(score, without=parts)]).plain()["scores"] == [written | {"without": parts}]


def test_a_signature_is_of_all_but_itself() -> None:
    content = signed({"b": 1, "a": [2]})
    assert signed(content) == content == signed({"a": [2], "b": 1})
    assert signed({**content, "b": 2})["sha256"] != content["sha256"]


def test_a_setting_is_device_threads_and_batch() -> None:
    assert bench_of(CONFIG, 1.0).setting == "cpu, 1 thread, batch 1"
    assert bench_of(CONFIG, 1.0, "cuda:0").names == ("b", "t", "s")
