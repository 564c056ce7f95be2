"""The records that stand beside a paper's numbers, and in what they differ from its protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made import loaded_cell

from invbench.paper.printed import Paper
from invbench.paper.published import paper_table
from invbench.paper.records import with_released
from invbench.store.released import results_folder

DAVI = Paper.load()


def test_a_record_of_other_noise_is_not_taken() -> None:
    plain = loaded_cell("imagenet256", "deblur_ddrm_tiled", "dps", {"psnr": 20.0})
    hidden = loaded_cell("imagenet256", "deblur_ddrm_tiled", "dps", {"psnr": 19.0}, noise="uniform 0.01..0.1 [-1,1]")
    assert "20.00" not in paper_table(DAVI.table(3), [plain]).render()
    assert "19.00 (-0.81)" in paper_table(DAVI.table(3), [plain, hidden]).render()
    assert "19.00" not in paper_table(DAVI.table(2), [hidden]).render()


@pytest.mark.parametrize(
    ("changes", "mismatch"),
    [
        ({"dataset": {"name": "folder"}}, "data set folder, not ffhq256"),
        ({"prior": {"name": "adm_photos", "sha256": "0"}}, "prior adm_photos, not adm_ffhq256"),
        ({"noise": "gaussian 0.9 [0,1]"}, "noise Gaussian noise, sigma 1.8 on [-1,1]"),
        ({"nfe": 5.0}, "NFE 5, not 20"),
    ],
)
def test_a_record_of_another_protocol_is_reported_and_not_set_beside_it(changes: dict[str, Any], mismatch: str) -> None:
    scores = {"psnr": 28.5, "nfe_forward": changes.pop("nfe", 20.0)}
    table = paper_table(DAVI.table(1), [loaded_cell("ffhq256", "sr4", "ddrm", scores, **changes)])
    assert not any("ours" in method for method in table.frame["method"])
    (note,) = [note for note in table.notes if note.startswith("Not shown, since recorded by another protocol")]
    assert mismatch in note
    assert any("made by" in each for each in table.notes)


def test_released_records_stand_in_for_what_was_not_run() -> None:
    (released, *_) = with_released([], benchmark="photos", task="sr4", solver="ddrm")
    assert str(results_folder()) in str(released.folders[0])
    fewer, more = (replace(released, rows=rows) for rows in (released.rows[:2], released.rows * 2))
    filters = {"benchmark": "photos", "task": "sr4", "solver": "ddrm"}
    assert with_released([fewer], **filters) == with_released([], **filters)
    assert with_released([more], **filters)[0] is more, "ours win at equal numbers of images"
