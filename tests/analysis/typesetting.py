"""LaTeX as a paper would hold it: its structure, and whether an engine takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

DOCUMENT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{siunitx}
\usepackage[paperwidth=60in,paperheight=60in,margin=1in]{geometry}
\begin{document}
%s
\end{document}
"""


def rows_of_latex(text: str) -> list[list[str]]:
    """The cells of each row of the one tabular, its headers first; those that span columns are repeated.

    Fails where environments do not nest, braces are not balanced, or a row has not a cell for each column.
    """
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    source = "\n".join(lines)
    assert source.isascii(), [c for c in source if not c.isascii()]
    balanced(source)
    nested(source)
    (body,) = re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", source, re.DOTALL)
    spec, body = argument(body)
    width = len(re.findall(r"[lcrS]", re.sub(r"\[.*?\]", "", spec)))
    rows = []
    for line in body.splitlines():
        if re.fullmatch(r"\\(top|mid|bottom)rule|(\\cmidrule\(lr\)\{\d+-\d+\} ?)+|", line):
            continue
        assert line.endswith(r" \\"), line
        row = []
        for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\")):
            span = re.match(r"\s*\\multicolumn\{(\d+)\}", cell)
            row += [cell.strip()] * (int(span[1]) if span else 1)
        rows.append(row)
        assert len(rows[-1]) == width, line
        assert not re.search(r"(?<!\\)[#%_^~](?!\{)", re.sub(r"\$.*?\$|\\\^\{\}", "", line)), line
    assert re.findall(r"\\(top|mid|bottom)rule", body) == ["top", "mid", "bottom"]
    return rows


def argument(text: str) -> tuple[str, str]:
    """What the braces at the start hold, and what follows them."""
    assert text.startswith("{")
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "{") - (c == "}")
        if not depth:
            return text[1:i], text[i + 1 :]
    raise AssertionError(text)


def balanced(source: str) -> None:
    depth = 0
    for c in re.sub(r"\\[{}\\]", "", source):
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0


def nested(source: str) -> None:
    stack: list[str] = []
    for begins, name in re.findall(r"\\(begin|end)\{(\w+)\}", source):
        if begins == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack


def compile_all(texts: Sequence[str], folder: Path) -> str:
    """What pdflatex says of a document of these tables, which must have no error; skips where there is none."""
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("pdflatex is not installed; with it these tables are compiled, too")
    (folder / "tables.tex").write_text(DOCUMENT % "\n\n".join(texts), encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=100)
    if "File `siunitx.sty' not found" in result.stdout or "File `booktabs.sty' not found" in result.stdout:
        pytest.skip("this LaTeX has no booktabs or siunitx; with them these tables are compiled, too")
    errors = re.findall(r"^!.*\n.*\n.*", result.stdout, re.MULTILINE)
    assert result.returncode == 0, "\n".join(errors) or result.stdout[-2000:]
    assert (folder / "tables.pdf").is_file()
    return result.stdout
