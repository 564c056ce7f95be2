"""The paper's claims: what the file states is what the tables print."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from judging import CELL, CLAIMS, PROXIES

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.claim import Claim
from invbench.paper.claims import chosen, load_claims
from invbench.store.released import results_folder

NOWHERE = str(Path(__file__).parent)  # holds no records
FILE = results_folder() / "published" / "claims.toml"


def invbench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_ids_are_unique_and_there_is_a_cell_for_each_value_of_the_tables_that_a_solver_here_can_make() -> None:
    assert len(CLAIMS) == len(load_claims())
    cells = [c for c in CLAIMS.values() if c.kind == "cell"]
    assert sum(c.table == 1 for c in cells) == 63
    assert sum(c.table == 8 for c in cells) == 6  # DAVI's are those of Table 1
    assert {c.table for c in cells} == {1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13}
    rows = {c.methods[0] for c in cells if c.table in (5, 10, 11)}
    assert {"DAVI config A", "DAVI-G", "I2SB, 1 call", "I2SB, 20 calls"} <= rows


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.kind == "order"], ids=lambda c: c.id)
def test_an_order_is_the_one_the_paper_prints(claim: Claim) -> None:
    for better, worse in claim.pairs:
        a, b = (float(claim.printed[m][0]) for m in (better, worse))
        assert a > b if claim.layout.better(claim.column) == "higher" else a < b


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.kind == "margin"], ids=lambda c: c.id)
def test_a_margin_is_the_difference_of_what_the_paper_prints(claim: Claim) -> None:
    ahead, behind = (float(claim.printed[method][0]) for method in claim.pairs[0])
    lead = ahead - behind if claim.layout.better(claim.column) == "higher" else behind - ahead
    assert f"{lead:.3f}" == f"{float(claim.value):.3f}"
    assert not claim.proxy_on


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.kind == "ratio"], ids=lambda c: c.id)
def test_a_ratio_is_one_that_the_paper_prints(claim: Claim) -> None:
    ((fast, slow),) = claim.pairs
    assert float(claim.printed[slow][0]) / float(claim.printed[fast][0]) >= claim.bound


def test_proxies_stand_in_for_orders_and_ratios_only() -> None:
    assert {c.kind for c in PROXIES.values()} == {"order", "ratio"}
    deblur = PROXIES["table1-realism/ffhq256/deblur_ddrm_tiled/lpips"]
    assert (deblur.benchmark, deblur.task, deblur.metric, deblur.prior) == (
        "photos",
        "deblur",
        "lpips_davi",
        "adm_photos",
    )
    assert not [c for c in PROXIES.values() if "imagenet256" in c.id or c.table in (3, 9)]


LAST_LINES = 'first = ["DAVI"]\nabove = ["FPS"]'  # of order.table8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[order.table6]", "[order.table6"), "claims.toml cannot be read"),
        (("images = 1000", ""), "claims.toml lacks images"),
        ((LAST_LINES, 'first = ["DAVY"]'), "order.table8: unknown method 'DAVY'; did you mean 'DAVI'"),
        ((LAST_LINES, "first = 7"), "order.table8: first is a list of names; got 7"),
        ((LAST_LINES, 'first = ["DAVI"]\nabove = []'), "order.table8: compares nothing"),
        ((LAST_LINES, ""), "order.table8: lacks first"),
        (("table = 8\nfirst", "table = 88\nfirst"), "order.table8: the paper has tables 1 to 13; got 88"),
        (("table = 8\n", 'table = 8\ntask = ["sr4"]\n'), "order.table8: unknown key 'task'; did you mean 'tasks'"),
        (('tasks = ["sr4"]', 'tasks = ["sr5"]'), "order.table1-dps-second: unknown task 'sr5'"),
        (('behind = "DPS"', 'behind = "DPX"'), "margin.table1-sr4-margin: unknown method 'DPX'; did you mean 'DPS'"),
        (('by = "12.33"', 'by = "a lot"'), "margin.table1-sr4-margin: could not convert string to float: 'a lot'"),
        (('metric = "NFE"', 'metric = "NFEs"'), "ratio.calls: unknown metric 'NFEs'"),
        (("RED-diff = 1000, FPS = 1000", 'RED-diff = "x"'), "ratio.calls: could not convert string to float: 'x'"),
        (("tables = [1, 2", "tables = [0, 2"), "cells: the paper has tables"),
        (('photos = "adm_photos"', 'photo = "adm_photos"'), "priors: the file says nothing about 'photos'"),
    ],
)
def test_a_damaged_file_is_reported_with_the_claim(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    text = FILE.read_text()
    assert change[0] in text
    path = tmp_path / "claims.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=f"{path}|{path.name}") as error:
        load_claims(path, "photos")
    assert message in str(error.value)


def test_claims_are_found_by_id_or_its_beginning_and_others_suggested() -> None:
    claims = list(CLAIMS.values())
    assert [c.id for c in chosen(claims, [CELL])] == [CELL]
    assert len(chosen(claims, ["cell/1"])) == 63
    assert len(chosen(claims, ["table8", CELL])) == 7
    assert {c.id.partition("/")[0] for c in chosen(claims, ["table9"])} == {"table9", "table9-psnr"}
    with pytest.raises(ConfigError, match="unknown claim 'tabel8'; did you mean 'table8'"):
        chosen(claims, ["tabel8"])


def test_judging_needs_no_torch(tmp_path: Path) -> None:
    code = """
import sys
from invbench.cli import main
try:
    main(["claims", "table8"])
except SystemExit as end:
    assert not end.code
assert "pandas" in sys.modules
assert not {"torch", "matplotlib", "hydra"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_benchmarks_have_different_labels() -> None:
    output = invbench("claims", "--benchmark", "imagenet256", "--format", "csv", "--out", NOWHERE).stdout
    assert {r["claim"].split("/")[1] for r in csv.DictReader(io.StringIO(output))} == {"imagenet256"}
