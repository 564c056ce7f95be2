"""The examples that are scripts run as they stand, and do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from extras import skip_without_its_library
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.long
def test_mri_and_ct_are_restored_by_a_network_of_ones_own(tmp_path: Path) -> None:
    """Both better than by least squares: the mean of eight samples, here by 1.8 and 8.9 dB."""
    skip_without_its_library("deepinv")
    path = EXAMPLES / "mri_ct.py"
    ran = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    rows = re.findall(r"^(mri|ct): least squares ([\d.]+) dB, \w+ ([\d.]+) dB", ran.stdout, re.M)
    assert [name for name, *_ in rows] == ["mri", "ct"]
    assert all(float(after) > float(before) + 1 for _, before, after in rows), ran.stdout
    assert all(Image.open(tmp_path / f"{name}.png").size == (32, 32) for name in ("mri", "ct"))


def test_the_example_of_mri_and_ct_is_short() -> None:
    text = (EXAMPLES / "mri_ct.py").read_text().split('"""')[2]
    assert sum(bool(line.strip()) for line in text.splitlines()) < 40
