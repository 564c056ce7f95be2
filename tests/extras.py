"""What some tests need and not every machine has."""

from __future__ import annotations

import pytest
import torch


def skip_without_its_library(name: str) -> None:
    """Skip the test where the plugin of this name needs a library that is absent."""
    if name.startswith("deepinv"):
        pytest.importorskip("deepinv", reason="needs the extra deepinv")


def skip_where_attention_takes_no_bfloat16() -> None:
    """torch's attention asks the processor for AVX-512, and fails where ``ATEN_CPU_CAPABILITY`` is set to less."""
    if torch.cpu._is_amx_tile_supported() and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"):
        pytest.skip("torch's bfloat16 attention does not run with this ATEN_CPU_CAPABILITY on this processor")
