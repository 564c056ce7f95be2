"""The notebooks of examples/ run from top to bottom, show what they say, and are stored without outputs."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
RUNS = all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel"))
needs_nbclient = pytest.mark.skipif(not RUNS, reason="no nbclient or ipykernel: pip install 'invbench[dev]'")


def executed(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the cells of a notebook show that is run in a folder, by kind; a cell that fails fails the test."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(home / "ipython"))
    book = nbformat.read(EXAMPLES / name, as_version=4)
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(home)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output["data"] for output in outputs if "data" in output]


def test_notebooks_are_stored_without_outputs() -> None:
    import json

    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert code
        assert not [cell for cell in code if cell["outputs"] or cell["execution_count"]], path.name


@pytest.mark.long
@needs_nbclient
def test_the_notebook_that_compares_solvers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("compare_solvers.ipynb", tmp_path, monkeypatch)
    tables = [data["text/html"] for data in shown if "text/html" in data]
    assert all(name in tables[0] for name in ("bicubic", "pinv", "davi", "ddrm", "fewer than 6 images"))
    assert "nfe=5" in tables[2]
    assert "22 groups" in tables[3]
    assert sum("image/png" in data for data in shown) == 2, "the pictures, and the front"


@pytest.mark.long
@needs_nbclient
def test_the_notebook_that_writes_a_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("write_a_solver.ipynb", tmp_path, monkeypatch)
    (psnr,) = [ast.literal_eval(text) for data in shown if (text := data["text/plain"]).startswith("{'pinv'")]
    assert sum(psnr["ladder"]) > sum(psnr["pinv"]) + 1, "the new solver restores more than the pseudo-inverse"
    assert sum("image/png" in data for data in shown) == 2, "the figure, and what restore returns"
    findings = shown[-1]["text/plain"]
    assert findings.count("status='pass'") > 12
    assert "status='fail'" not in findings
