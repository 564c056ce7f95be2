"""Devices by name, and the memory of large tensors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invbench.device import choose_device
from invbench.errors import ConfigError

HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
COUNT = """
import resource, torch
from invbench.cli import main

main(["list", "solvers"], standalone_mode=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(12_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not HUGE.exists() or "[never]" in HUGE.read_text(), reason="this kernel has no large pages")
def test_large_tensors_lie_in_large_pages() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 12_000_000 * 4 / 4096 / 10  # a tenth of the faults of small pages


def test_auto_is_a_device_that_is_there() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_absent_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"is not available \(.+\); use auto, cpu or cuda"):
        choose_device(name)
