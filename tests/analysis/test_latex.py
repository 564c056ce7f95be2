"""Tables in LaTeX: what is bold and underlined, captions, columns of numbers, and that they compile."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabling import METRICS, cell_of
from typesetting import compile_all, rows_of_latex

from invbench.analysis.cell import Cell
from invbench.analysis.latex import Latex
from invbench.analysis.table import Table
from invbench.analysis.tables import build_tables
from invbench.errors import ConfigError

HOSTILE = [r"\input{/etc/passwd}", "a & b", "50 % #1", "x_1^2", "$a$ {b} ~c", "[0,1]", "*", "a\\", "<b>|c|"]
PAPERS = ["1", "3", "10", "12", "13"]


def ranked(texts: Sequence[str], spreads: Sequence[str] = ()) -> Table:
    """A table of one column, the first value the best and the second the second best."""
    beside = spreads or [""] * len(texts)
    cells = [Cell(text, spread, rank=min(i, 2)) for i, (text, spread) in enumerate(zip(texts, beside, strict=True))]
    return Table("t", pd.DataFrame({"solver": [f"s_{i}" for i in range(len(cells))], "psnr ↑": cells}), ())


def column(text: str) -> list[str]:
    return [row[1] for row in rows_of_latex(text)[1:]]


def test_the_best_is_bold_and_the_second_best_underlined() -> None:
    cells = [
        cell_of({"name": name}, {i: value + k for k, i in enumerate("abcdefgh")}, cell=name)
        for name, value in (("worst", 20.0), ("best", 22.0), ("second", 21.0))
    ]
    (table,) = build_tables(cells, METRICS, spread="none")
    values = dict(zip((row[0] for row in rows_of_latex(table.render("latex"))), column_of(table, "psnr"), strict=True))
    assert values["best"] == r"\textbf{25.50}"
    assert values["second"] == r"\underline{24.50}"
    assert values["worst"] == "23.50"
    assert "psnr ↑ (dB)  " in table.render()
    assert "25.50 best" in table.render()


def column_of(table: Table, metric: str) -> list[str]:
    rows = rows_of_latex(table.render("latex"))
    place = next(i for i, header in enumerate(rows[0]) if header.startswith(metric))
    return [row[place] for row in rows]


def test_ties_are_marked_whatever_their_rank() -> None:
    values = {f"{i}": float(i % 3) for i in range(12)}
    other = {image: value + 0.01 * (-1) ** int(image) - 0.001 for image, value in values.items()}
    cells = [cell_of({"name": name}, v, cell=name) for name, v in (("a", values), ("b", other))]
    (table,) = build_tables(cells, METRICS, spread="none")
    assert sorted(column_of(table, "psnr")[1:]) == [r"\textbf{1.00}", r"\underline{1.00}$^{=}$"]
    assert "superscript =" in table.render("latex")


def test_rows_of_one_solver_alone_are_not_ranked() -> None:
    (table,) = build_tables([cell_of()], METRICS)
    assert "textbf" not in table.render("latex")


def test_means_stand_beside_what_is_asked_for() -> None:
    values = {f"{i}": float(i) for i in range(1, 9)}
    texts = {
        spread: column_of(build_tables([cell_of(values=values)], METRICS, spread=spread)[0], "psnr")[1]  # type: ignore[arg-type]
        for spread in ("none", "std", "interval")
    }
    assert texts["none"] == "4.50"
    assert texts["std"] == r"4.50 $\pm$ 2.45"  # of 1, ..., 8, n - 1 below
    assert re.fullmatch(r"4\.50 \[\d\.\d\d, \d\.\d\d\]", texts["interval"])


def test_a_caption_makes_a_float_and_stands_as_it_is() -> None:
    text = ranked(["1"]).render("latex", Latex(r"Super-resolution, $4\times$, 5\,\%", "tab:sr_4"))
    assert r"\caption{Super-resolution, $4\times$, 5\,\%}" in text
    assert r"\label{tab:sr_4}" in text
    assert text.index(r"\begin{table}") < text.index(r"\begin{tabular}")
    rows_of_latex(text)
    assert r"\begin{table}" not in ranked(["1"]).render("latex")


@pytest.mark.parametrize("caption", ["50 % better", "a }{", "{", "cost $5", "a\\", "a & b", "line\nline"])
def test_a_caption_that_would_not_compile_is_refused(caption: str) -> None:
    with pytest.raises(ConfigError, match="the caption is LaTeX"):
        Latex(caption)


@pytest.mark.parametrize("label", ["tab sr4", "tab{}", "ä", "a%"])
def test_a_label_has_plain_characters(label: str) -> None:
    with pytest.raises(ConfigError, match="expected a label"):
        Latex(label=label)


def test_numbers_are_aligned_at_their_points() -> None:
    text = ranked(["24.95", "9.1", "-0.25", "nan"]).render("latex", Latex(siunitx=True))
    assert "S[table-format=-2.2, detect-weight]" in text
    assert column(text) == [r"\bfseries 24.95", r"{\phantom{0}\underline{9.1}\phantom{0}}", "-0.25", "{nan}"]


def test_deviations_are_aligned_too() -> None:
    text = ranked(["24.95", "9.10"], ["± 3.21", "± 0.05"]).render("latex", Latex(siunitx=True))
    assert "S[table-format=2.2(3), detect-weight, separate-uncertainty]" in text
    assert column(text)[0] == r"\bfseries 24.95+-3.21"


def test_columns_of_other_texts_stay_as_they_are() -> None:
    text = ranked(["3.5e-07", "0.2"]).render("latex", Latex(siunitx=True))
    assert "S[" not in text
    assert column(text) == [r"\textbf{3.5e-07}", r"\underline{0.2}"]


def test_headers_that_columns_share_stand_above_them() -> None:
    cells = {"solver": ["a"], "sr4 psnr ↑": [Cell("1")], "sr4 ssim ↑": [Cell("2")], "in_paint psnr ↑": [Cell("3")]}
    text = Table("t", pd.DataFrame(cells), (), ("", "sr4", "sr4", "in_paint")).render("latex")
    above, headers, _ = rows_of_latex(text)
    assert above == ["", *[r"\multicolumn{2}{c}{sr4}"] * 2, r"\multicolumn{1}{c}{in\_paint}"]
    assert headers == ["solver", r"psnr $\uparrow$", r"ssim $\uparrow$", r"psnr $\uparrow$"]
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in text


@pytest.mark.parametrize("siunitx", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_escaped(text: str, siunitx: bool) -> None:
    table = Table(text, pd.DataFrame({"solver": [text], f"{text} psnr": [Cell("1")]}), (text,), ("", text))
    assert len(rows_of_latex(table.render("latex", Latex(siunitx=siunitx)))) == 3


@given(st.lists(st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True), min_size=1, max_size=4))
def test_any_numbers_have_a_cell_each(texts: list[str]) -> None:
    for siunitx in (False, True):
        assert len(column(ranked(texts).render("latex", Latex(siunitx=siunitx)))) == len(texts)


@pytest.mark.long
def test_tables_compile(tmp_path: Path, invbench: Callable[..., Any]) -> None:
    """Those of released records in every form, a paper's, and hostile names."""
    plain = ("table", "benchmark=photos", "--format", "latex", "--out", "reference")
    forms = [
        (*plain, "task=sr4", "solver=davi,ddrm,ddnm_plus"),
        (*plain, "task=sr4", "solver=davi,ddrm,ddnm_plus", "--std", "--siunitx"),
        (*plain, "--by-task", "--std", "--caption", r"At $4\times$", "--label", "tab:all"),
        (*plain, "--by-task", "--metrics", "psnr,lpips_alex,kid_alex", "--siunitx", "--label", "tab:two"),
        (*plain, "--paper", "1", "--add", "all", "--siunitx", "--caption", "Ours"),
        (*plain, "--paper", "1", "--std", "--siunitx"),
        (*plain, "--paper", "1", "--intervals"),
        *(("table", "--format", "latex", "--paper", number, "--siunitx") for number in PAPERS),
    ]
    texts = []
    for words in forms:
        result = invbench(*words)
        assert result.returncode == 0, result.stderr
        texts += re.split(r"\n\n(?=% )", result.stdout)
    for text in HOSTILE:
        texts.append(Table(text, pd.DataFrame({text: [text], "x": [Cell("1")]}), (text,), ("", text)).render("latex"))
    for text in texts:
        rows_of_latex(text)
    assert "undefined" not in compile_all(texts, tmp_path).lower()
