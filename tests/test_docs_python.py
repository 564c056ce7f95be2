"""docs/python.md: its blocks run, one after the other, as a reader would paste them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text()
SEEN = """
assert 20 < means["ddrm"] < 35
assert set(x_hat) and all(x.shape == (1, 3, 64, 64) for x in x_hat.values())
assert pictures[0].path.is_file() and bars.axes and len(summary)
assert "davi" in latex and "table-format" in paper
assert 10 * (4 / error).log10() > 28
assert columns.samples.shape == (1, 3, 64, 64) and x.shape == (1, 3, 64, 64)
"""


@pytest.mark.long
def test_the_blocks_of_the_page_run(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.S)) + SEEN
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "lpips_alex" in ran.stdout
    assert "3 samples of 3x64x64" in ran.stdout
    assert {p.name for p in tmp_path.glob("x*.png")} == {"x.png", "x-0.png", "x-1.png", "x-2.png", "x-std.png"}
