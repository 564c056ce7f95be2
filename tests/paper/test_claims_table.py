"""The claims as a table, with what makes the records that are missing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from judging import BEST, CELL, CLAIMS, MARGIN, METRICS, ORDER, PROXIES, RATIO, cell_of

from invbench.cli import main
from invbench.paper.claims_table import claims_table, stated

NOWHERE = str(Path(__file__).parent)  # holds no records


def invbench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_what_the_paper_says_is_shown_with_its_nearest_competitor() -> None:
    assert stated(CLAIMS[CELL]) == "28.09"
    assert stated(CLAIMS[BEST]) == "DAVI 28.23 before DDNM+ 28.17 and 5 others"
    assert stated(CLAIMS["table2-fid-deblur/imagenet256/deblur_ddrm_tiled/fid"]).startswith("DiffPIR 62.48, DAVI 63.29")
    assert stated(CLAIMS[MARGIN]) == "DAVI 0.225 ahead of DDRM 0.269 by 0.044"
    assert stated(CLAIMS[RATIO]) == "DDRM 1.7 to DAVI 0.04, at least 20x"


def test_every_verdict_on_a_proxy_says_so() -> None:
    cells = [cell_of("davi", "photos", psnr=25.0), cell_of("fps", "photos", psnr=20.0)]
    table = claims_table(list(PROXIES.values()), cells, METRICS)
    rows = table.frame.to_dict("records")
    assert any("kid_alex for FID, deblur for deblur_ddrm_tiled, other images" in note for note in table.notes)
    assert len(rows) == len(PROXIES)
    assert all(r["verdict"].endswith("(proxy, protocol differs)") for r in rows)
    assert {r["claim"]: r["verdict"] for r in rows}[ORDER] == "reproduced (proxy, protocol differs)"


def test_verdicts_on_quality_seconds_and_calls_are_counted_apart() -> None:
    claims = [CLAIMS[name] for name in (ORDER, RATIO, "calls/ffhq256/sr4/fps", "calls/ffhq256/sr4/ddrm")]
    cells = [cell_of("davi", psnr=25.0), cell_of("fps", psnr=20.0)]
    assert claims_table(claims, cells, METRICS).notes[:3] == (
        "1 claims on quality: 1 reproduced.",
        "1 claims on seconds: 1 not run.",
        "2 claims on network calls: 1 reproduced, 1 not run.",
    )


def commands_of(notes: Iterable[str]) -> list[str]:
    return [n.partition("made by: ")[2] for n in notes if "made by" in n]


def test_what_is_missing_has_a_command_with_its_noise() -> None:
    claims = [CLAIMS[name] for name in (ORDER, "table9/ffhq256/sr4/fid")]
    table = claims_table(claims, [cell_of("davi", psnr=25.0)], METRICS)
    assert commands_of(table.notes) == [
        "invbench run benchmark=ffhq256 solver=fps task=sr4",
        "invbench run benchmark=ffhq256 solver=davi,ddnm_plus,dps,pigdm,red_diff task=sr4 task.noise='poisson 1.0' "
        "assume='0.05 [-1,1]'",
    ]


def test_what_is_missing_has_a_command_with_its_calls_or_its_training() -> None:
    claims = [CLAIMS["table11-calls/ffhq256/sr4/fid"], CLAIMS["table5-ikl/ffhq256/deblur_ddrm_tiled/fid"]]
    train = "invbench train solver=davi benchmark=ffhq256 task=deblur_ddrm_tiled"
    assert commands_of(claims_table(claims, [], METRICS).notes) == [
        "invbench run benchmark=ffhq256 solver=i2sb task=sr4 solver.nfe=100",
        "invbench run benchmark=ffhq256 solver=i2sb task=sr4 solver.nfe=1",
        f"{train} +ablation=b, and the command that it prints",
        f"{train} +ablation=a, and the command that it prints",
    ]


@pytest.mark.parametrize("how", ["text", "md", "latex", "html", "csv"])
def test_the_command_prints_every_format(how: str) -> None:
    result = invbench("claims", "table8", "--format", how, "--out", NOWHERE)
    assert result.exit_code == 0
    assert result.output.count("DAVI 28.23 before FPS 26.92") == 1


def test_printed_cells_that_were_not_run_are_left_out_unless_named() -> None:
    rows = list(csv.DictReader(io.StringIO(invbench("claims", "--format", "csv", "--out", NOWHERE).stdout)))
    assert rows
    assert not [r for r in rows if r["claim"].startswith("cell")]
    text = invbench("claims", "--out", NOWHERE).output
    assert "'invbench claims cell' lists them" in text
    assert "invbench claims --benchmark photos" in text
    rows = list(csv.DictReader(io.StringIO(invbench("claims", "cell", "--format", "csv", "--out", NOWHERE).stdout)))
    assert len(rows) == sum(c.kind == "cell" for c in CLAIMS.values())


def test_wrong_words_are_refused() -> None:
    assert "did you mean 'photos'" in invbench("claims", "--benchmark", "photo").output
    assert "unknown table format 'pdf'" in invbench("claims", "--format", "pdf").output
    assert "unknown claim 'x'" in invbench("claims", "x").output
    assert invbench("claims", "x").exit_code == 2
