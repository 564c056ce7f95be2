"""Weights & Biases without network: what its files hold of a cell and of a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracking import followed

from invbench.harness.tracking import means

pytest.importorskip("wandb", reason="needs the extra wandb")
BLOCK, HEAD = 32768, 7  # of a log of LevelDB: bytes of a block, and of what stands before a piece of a record


def messages(path: Path) -> Iterator[bytes]:
    """The records of a ``.wandb`` file, which begins with 7 bytes of its own: checksum, length and type, then data."""
    content, at, message = path.read_bytes(), HEAD, b""
    while at + HEAD <= len(content):
        if BLOCK - at % BLOCK < HEAD:  # the block's end is empty
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        message += content[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if kind in (1, 4):  # whole, or the last piece; 2 and 3 are earlier ones
            yield message
            message = b""


def read(path: Path) -> dict[str, Any]:
    """Of a run: its id, name, kind and project, options, lines, summary and exit code."""
    from wandb.proto.wandb_internal_pb2 import Record

    run: dict[str, Any] = {"config": {}, "lines": [], "summary": {}}
    for message in messages(path):
        record = Record()
        record.ParseFromString(message)
        which = record.WhichOneof("record_type")
        if which == "run" and not run["config"]:
            run |= {"id": record.run.run_id, "name": record.run.display_name, "project": record.run.project}
            run["kind"] = record.run.job_type
            run["config"] = {
                item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.run.config.update
            }
        elif which == "history":
            items = record.history.item
            run["lines"].append({item.key or item.nested_key[0]: json.loads(item.value_json) for item in items})
        elif which == "summary":
            updates = record.summary.update
            run["summary"] |= {item.key or item.nested_key[0]: json.loads(item.value_json) for item in updates}
        elif which == "exit":
            run["exit"] = record.exit.exit_code
    return run


@pytest.mark.long
def test_cells_and_trainings_are_runs_of_wandb(tmp_path: Path) -> None:
    cell = followed("wandb", tmp_path, WANDB_MODE="offline", WANDB_SILENT="true", WANDB_PROJECT="mine")
    paths = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    first, again, training = map(read, paths)
    assert first["id"] == again["id"] == cell.id
    assert (first["name"], first["kind"], first["project"]) == ("gmm/denoise/ddrm", "cell", "mine")
    assert {"solver.nfe": 3, "benchmark.name": "gmm", "seed": 0}.items() <= first["config"].items()
    assert first["exit"] == 0
    for run in (first, again):
        assert {**means(cell), "status": "complete"}.items() <= run["summary"].items()
    assert list(paths[0].parent.glob("files/media/images/picture_*.png"))

    assert (training["name"], training["kind"]) == ("gmm2d/denoise/davi", "training")
    assert training["config"]["training.steps"] == 20
    assert training["summary"]["status"] == "complete"
    log = [json.loads(line) for line in (tmp_path / "here" / "train.jsonl").read_text().splitlines()]
    expected = {key: value for line in log for key, value in line.items() if key not in ("step", "time")}
    (line,) = training["lines"]
    assert line["_step"] == 20
    assert expected.items() <= line.items()
    assert "psnr" in line
