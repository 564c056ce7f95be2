"""Which cells stand beside each other, on which images, and which of several is meant."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made import changed, loaded_cell
from msgspec.structs import replace
from tabling import cell_of, table_of

from invbench.analysis.comparable import (
    assumptions,
    by_measurement,
    headline,
    image_means,
    interval_of,
    label,
    mean_of,
    measurement_key,
    most_default,
    sameness,
    scored_sets,
    shared_images,
)
from invbench.errors import ConfigError
from invbench.store.files import MEAN, Record, images_digest
from invbench.store.fingerprint import Fingerprint
from invbench.store.reader import LoadedCell

WRITTEN = {"origins": {"nfe": "command line", "eta": "command line"}}


def cell(psnr: float = 20.0, n: int = 4, **config: Any) -> LoadedCell:
    return loaded_cell("photos", "sr4", "ddrm", {"psnr": psnr}, n, **config)


def without(loaded: LoadedCell, *images: str) -> LoadedCell:
    """The cell with no value (nan) of these images."""
    return with_rows(loaded, [replace(r, value=math.nan) if r.image in images else r for r in loaded.rows])


def with_rows(loaded: LoadedCell, rows: list[Record]) -> LoadedCell:
    return LoadedCell(loaded.id, loaded.run, rows, loaded.folders, 0)


def with_sets(loaded: LoadedCell, folder: Path, *sets: list[str]) -> LoadedCell:
    """The cell with a score of each of these sets of images: how many they are."""
    folder.mkdir()
    scores = {
        images_digest(images): {
            "images": images,
            "scores": [{"metric": "fid", "protocol": "fid/p", "value": len(images), "low": 0.0, "high": 9.0}],
        }
        for images in sets
    }
    (folder / "sets.json").write_text(json.dumps(scores))
    return LoadedCell(loaded.id, loaded.run, loaded.rows, (folder,), 0)


def test_the_representative_cell_has_default_options_then_one_sample_then_most_images() -> None:
    plain = cell(n=2)
    assert max([cell(n=4, samples=2), plain], key=most_default) is plain, "one sample a measurement before more images"
    assert max([plain, cell(n=4, samples=2)], key=most_default) is plain
    more = cell(n=4)
    assert max([more, plain], key=most_default) is more
    several, tuned = cell(n=2, samples=2), cell(n=4, run=WRITTEN)
    assert max([tuned, several], key=most_default) is several, "options as they come before one sample"
    once = cell(n=2, run={"origins": {"nfe": "command line", "eta": "default"}})
    assert max([tuned, once], key=most_default) is once, "fewer written options before more images"


def test_shared_images_are_those_that_every_cell_has_a_value_of() -> None:
    few, many = cell(n=3), cell(n=5)
    assert shared_images([]) == []
    assert shared_images([many, few]) == ["0", "1", "2"]
    assert shared_images([many, without(few, "1")]) == ["0", "1", "2"], "no metric is asked for"
    assert shared_images([many, without(few, "1")], "psnr") == ["0", "2"]
    assert shared_images([without(many, "0"), without(few, "1")], "psnr") == ["2"]
    assert shared_images([without(few, "0", "1", "2"), many], "psnr") == []


def test_of_a_score_of_sets_the_largest_set_that_all_were_scored_on_is_shared(tmp_path: Path) -> None:
    whole, half = ["0", "1", "2", "3"], ["0", "1"]
    a = with_sets(cell(), tmp_path / "a", half, whole)
    b = with_sets(cell(), tmp_path / "b", half)
    c = with_sets(cell(), tmp_path / "c", whole, half)
    assert scored_sets(a) == {"fid": [whole, half]}
    assert shared_images([a, c], "fid") == whole
    assert shared_images([a, b], "fid") == half
    assert shared_images([b, cell()], "fid") == half, "a cell without such scores has no say"
    assert shared_images([b, with_sets(cell(), tmp_path / "d", ["2", "3"])], "fid") == []
    assert mean_of(a, "fid") == 4
    assert mean_of(a, "fid", half) == 2
    assert mean_of(b, "fid") is None, "all of its images were not scored as a set"
    assert interval_of(a, "fid") == (0.0, 9.0)
    assert all(map(math.isnan, interval_of(b, "fid")))


def test_a_mean_is_of_the_images_asked_for_and_nan_where_one_sample_is() -> None:
    one = cell(n=2)
    second = [replace(r, sample=1, value=30.0) for r in one.rows]
    loaded = with_rows(one, [*one.rows, *second, *(replace(r, sample=MEAN, value=99.0) for r in one.rows)])
    assert image_means(loaded, "psnr").to_dict() == {"0": 25.0, "1": 25.0}, "scores of the mean are of another kind"
    assert image_means(loaded, "psnr", ["1"]).to_dict() == {"1": 25.0}
    assert mean_of(loaded, "psnr") == 25.0
    rows_with_nan = [replace(r, value=math.nan) if (r.image, r.sample) == ("1", 1) else r for r in loaded.rows]
    means = image_means(with_rows(loaded, rows_with_nan), "psnr")
    assert means["0"] == 25.0
    assert math.isnan(means["1"])
    assert mean_of(loaded, "ssim") is None


def test_an_interval_leaves_out_what_has_no_value() -> None:
    low, high = interval_of(without(cell(n=3), "1"), "psnr")
    assert (low, high) == (20.0, 20.0)


def test_other_bytes_are_the_same_measurement_only_if_both_fingerprints_agree() -> None:
    def measured(sha256: str, numbers: tuple[float, ...] | None) -> LoadedCell:
        print_of_y = None if numbers is None else Fingerprint(numbers, numbers)
        one = cell(n=1)
        return with_rows(one, [replace(r, y_sha256=sha256, y=print_of_y) for r in one.rows])

    near, far = (5.0, 1.0), (6.0, 1.0)
    assert sameness([measured("a", near), measured("a", None)]) == "same bytes"
    assert sameness([measured("a", near), measured("b", near)]) == "last bits"
    assert sameness([measured("a", near), measured("b", far)]) == "different"
    assert sameness([measured("a", near), measured("b", None)]) == "unknown"
    assert sameness([measured("a", None), measured("b", near)]) == "unknown"


def test_cells_of_one_measurement_are_grouped_in_order() -> None:
    cells = [
        loaded_cell(b, t, s, {}) for b, t, s in (("b", "t", "x"), ("a", "t", "x"), ("a", "s", "x"), ("b", "t", "y"))
    ]
    loaded = [[(c.run.config.benchmark.name, c.run.config.task.name) for c in g] for g in by_measurement(cells)]
    assert loaded == [[("a", "s")], [("a", "t")], [("b", "t"), ("b", "t")]]
    assert (
        len(by_measurement([cell(), cell(samples=2), cell(assumed="0.1 [-1,1]"), cell(plugins={"theirs": "2"})])) == 1
    )
    assert len(by_measurement([cell(), cell(noise="gaussian 0.2 [-1,1]"), cell(seed=1)])) == 3


def test_rows_that_were_given_a_level_are_named_by_level() -> None:
    assumed_cells = {name: cell(assumed=f"{level} [-1,1]") for name, level in (("a", 0.1), ("b", 0.2), ("c", 0.1))}
    assert assumptions({**assumed_cells, "d": cell()}) == [
        "Given a noise level of 0.1 [-1,1], not the image's own: a, c.",
        "Given a noise level of 0.2 [-1,1], not the image's own: b.",
    ]


def test_a_headline_says_what_rows_share() -> None:
    run = changed(cell().run, task={"factor": 4}, dataset={"images": "", "side": 8})
    assert headline(run) == (
        "photos v1 | sr4 (factor=4) | Gaussian noise, sigma 0.05 on [-1,1] = 0.025 on [0,1] | "
        "dataset photos (side=8) | prior adm_photos 00000000 | seed 0"
    )
    assert headline(run, seed=False).endswith("prior adm_photos 00000000")


def test_solver_samples_and_versions_leave_the_measurement_alone() -> None:
    one = cell_of().run.config
    other = cell_of(solver={"name": "z"}, config={"samples": 3, "plugins": {"theirs": "2"}}).run.config
    assert measurement_key(one) == measurement_key(other)


def test_labels_show_different_hyper_parameters() -> None:
    cells = [cell_of(solver={"name": "s", "nfe": nfe, "eta": eta, "same": 1}) for nfe, eta in ((5, 0), (20, 0), (5, 1))]
    assert [label(c, cells) for c in cells] == ["s nfe=5 eta=0", "s nfe=20 eta=0", "s nfe=5 eta=1"]
    assert label(cells[0], cells[:1]) == "s"


def test_labels_show_different_numbers_of_samples() -> None:
    cells = [cell_of(), cell_of(config={"samples": 2}, cell="beef0000")]
    assert [label(c, cells) for c in cells] == ["s samples=1", "s samples=2"]


def test_labels_of_equal_options_have_the_cell() -> None:
    cells = [cell_of(cell="aaaaaa11"), cell_of(cell="bbbbbb22", config={"plugins": {"invbench": "9"}})]
    assert [label(c, cells) for c in cells] == ["s [aaaaaa]", "s [bbbbbb]"]


def test_a_solver_whose_options_have_grown_has_another_label_than_before() -> None:
    cells = [cell_of(solver={"name": "s"}), cell_of(solver={"name": "s", "eta": 1.0}, cell="beef0000")]
    assert len({label(c, cells) for c in cells}) == 2


def test_precision_is_the_rows_own_and_no_other_measurement() -> None:
    """Of the same solver with the same options, on a GPU and on a CPU."""
    prior = {"name": "p", "sha256": "0" * 8}
    exact, tf32 = (cell_of(config={"prior": {**prior, "dtype": dtype}}, cell=dtype) for dtype in ("float32", "tf32"))
    assert measurement_key(exact.run.config) == measurement_key(tf32.run.config)
    assert [label(c, [exact, tf32]) for c in (exact, tf32)] == ["s", "s [tf32]"]
    assert label(tf32, [tf32]) == "s [tf32]"
    assert max([tf32, exact, tf32], key=most_default) is exact
    hidden = {"task": {"name": "t", "noise": "uniform 0.01..0.1 [-1,1]"}}
    told, level = (cell_of(config={**hidden, "assumed": f"{x} [-1,1]"}) for x in ("0.05", "0.06083"))
    assert max([told, level, told], key=most_default) is level
    asked = cell_of(config={"prior": {**prior, "dtype": "float32"}}, origins={"eta": "settings=psnr: tuned"})
    assert max([asked, exact, asked], key=most_default) is exact
    assert measurement_key(cell_of(config={"prior": {**prior, "other": 1}}).run.config) != measurement_key(
        exact.run.config
    )


def test_numbers_of_two_protocols_are_never_averaged() -> None:
    cell = cell_of()
    other = [replace(row, protocol="psnr/other", value=50.0) for row in cell.rows if row.metric == "psnr"]
    both = LoadedCell(cell.id, cell.run, [*cell.rows, *other], cell.folders, 0)
    assert len([c for c in table_of(both).frame.columns if c.startswith("psnr/")]) == 2
    with pytest.raises(ConfigError, match=r"has psnr by several protocols \(psnr/other, psnr/p\)"):
        mean_of(both, "psnr", ["a", "b"])
