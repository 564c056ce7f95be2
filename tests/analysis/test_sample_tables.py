"""Scores of samples: which differ from those of the exact sampler."""

from __future__ import annotations

from tabling import cell_of

from invbench.analysis.tables import build_tables
from invbench.metrics.samples import CRPS
from invbench.store.files import MEAN, Record
from invbench.store.reader import LoadedCell


def sampled(solver: str, shift: float, n: int, samples: int = 2, wave: float = 0.01) -> LoadedCell:
    """A cell with a CRPS of each of n images, of all its samples together: a wave around 0.5 plus the shift."""
    cell = cell_of({"name": solver}, {}, solver, config={"samples": samples})
    values = {f"{i:02}": 0.5 + shift + wave * (-1) ** i for i in range(n)}
    rows = [Record(solver, i, MEAN, "crps", "crps/p", v, "", i) for i, v in values.items()]
    return LoadedCell(cell.id, cell.run, rows, cell.folders, 0)


def scores_of(*cells: LoadedCell) -> dict[str, str]:
    """The text of the CRPS by solver, beside the exact sampler ``oracle``."""
    (table,) = build_tables(cells, {"crps": CRPS}, {"b": "oracle"}, only=["crps"])
    return {row["solver"].split()[0]: row["crps ↓"] for row in table.frame.to_dict("records")}


def test_a_star_stands_at_a_score_above_the_floor_and_below_it_and_at_no_other() -> None:
    exact = sampled("oracle", 0.0, 6, wave=0.0)
    scores = scores_of(exact, sampled("above", 0.1, 6), sampled("below", -0.1, 6), sampled("level", 0.0, 6))
    assert {solver for solver, text in scores.items() if text.endswith(" *")} == {"above", "below"}


def test_too_few_images_and_another_number_of_samples_have_no_star() -> None:
    exact = sampled("oracle", 0.0, 6, wave=0.0)
    scores = scores_of(exact, sampled("few", 0.1, 5), sampled("many", 0.1, 6, samples=3))
    assert not [text for text in scores.values() if "*" in text]
