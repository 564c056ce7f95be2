"""Rows of numbers and the names of files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from made_images import ODD
from storing import rows_of, run_of

from invbench.store.files import read_rows
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore

WEIRD = ["a/b/c.png", "two words", "ünï/cødé ✓", "..", "50%", "a%2Fb", "line\u2028break", "-dash", "Straße.PNG"]


@pytest.mark.parametrize("image", WEIRD)
def test_any_image_id_round_trips(store: CellStore, image: str) -> None:
    with store.writing():
        store.append(image, torch.full((1, 1, 1, 1), 0.5), rows_of(image))
        assert set(store.finished(samples=1)) == {image}
    assert store.image_path(image).parent == store.folder / "images"
    rows, damaged = read_rows(store.rows)
    assert ({row.image for row in rows}, damaged) == ({image}, 0)


def test_different_image_ids_have_different_files(store: CellStore) -> None:
    assert len({store.image_path(image) for image in WEIRD}) == len(WEIRD)


def test_unreadable_lines_are_counted(store: CellStore, tmp_path: Path) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.write_run(run_of())
    store.rows.write_bytes(b'{"image": \n\xff\xfe\n' + store.rows.read_bytes() + b'{"cell": "c')
    rows, damaged = read_rows(store.rows)
    assert (len(rows), damaged) == (3, 3)
    assert load_cells(tmp_path)[0].damaged == 3


@pytest.mark.parametrize("line", ["17", "{}"])
def test_a_line_that_is_json_but_no_row_is_counted_as_damaged(store: CellStore, tmp_path: Path, line: str) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.write_run(run_of())
    store.rows.write_text(line + "\n" + store.rows.read_text())
    assert set(store.finished(samples=1)) == {"a"}
    (cell,) = load_cells(tmp_path)
    assert (len(cell.rows), cell.damaged) == (3, 1)


def test_nan_and_infinity_are_read_back(store: CellStore) -> None:
    with store.writing():
        for image, value in (("a", float("nan")), ("b", float("inf"))):
            store.append(image, torch.zeros(1, 1, 1, 1), rows_of(image, value))
    values = {row.image: row.value for row in read_rows(store.rows)[0]}
    assert values["a"] != values["a"]
    assert values["b"] == float("inf")


def test_rows_are_plain_json_lines(store: CellStore) -> None:
    with store.writing():
        store.append("ü", torch.zeros(1, 1, 1, 1), rows_of("ü", 0.1))
    first = json.loads(store.rows.read_text(encoding="ascii").splitlines()[0])
    assert first == {
        "cell": "c0",
        "image": "ü",
        "sample": 0,
        "metric": "psnr",
        "protocol": "psnr/p",
        "value": 0.1,
        "unit": "",
        "y_sha256": "0" * 64,
    }


@pytest.mark.parametrize(
    "image",
    [
        "\u7167" * 83 + ".png",
        "a" * 239,
        "a" * 251 + ".png",
        "%" * 251 + ".png",
        "/".join(["session"] * 100) + "/a.png",
        " " * 300,
    ],
)
def test_a_reconstruction_s_file_has_a_name_that_every_file_system_takes(tmp_path: Path, image: str) -> None:
    path = CellStore(tmp_path).image_path(image)
    assert len(os.fsencode(path.name + ".part")) <= 255
    assert path.name.isascii()
    path.parent.mkdir()
    path.with_name(path.name + ".part").write_bytes(b"")
    assert path != CellStore(tmp_path).image_path(image + "x")
    assert path != CellStore(tmp_path).image_path("x" + image)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("astronaut_000_000", "astronaut_000_000.safetensors"),
        ("deep/two words.png", "deep%2Ftwo%20words.png.safetensors"),
        ("\u7167.png", "%E7%85%A7.png.safetensors"),
        ("a" * 238, "a" * 238 + ".safetensors"),
    ],
)
def test_names_that_were_kept_before_stay(tmp_path: Path, image: str, name: str) -> None:
    assert CellStore(tmp_path).image_path(image) == tmp_path / "images" / name


def test_no_id_has_the_file_of_another(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    long = "\u7167" * 83 + ".png"
    file_name = store.image_path(long).name.removesuffix(".safetensors")
    plain = store.image_path("x" * 300).name.removesuffix(".safetensors")
    alike = [
        long,
        plain,
        file_name,
        file_name.upper(),
        long.lower(),
        "x" * 300,
        "X" * 300,
        "x" * 301,
        *ODD,
        *(name.upper() for name in ODD),
    ]
    ids = set(alike)
    assert len({store.image_path(image).name for image in ids}) == len(ids)
    assert "%" not in store.image_path("%" * 300).name.partition("=")[0][-1:]
