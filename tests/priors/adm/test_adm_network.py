"""What ADM networks as named priors share: their form, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench import ConfigError
from invbench.priors.adm.network import DTYPES, loaded, small
from invbench.priors.adm.sources import AdmPhotos


def test_a_small_network_has_a_variance_beside_each_channel() -> None:
    config = small((1, 2, 2), width=24, channels=2)
    assert (config.in_channels, config.out_channels, config.channels) == (2, 4, 24)
    assert config.stride == 4


@pytest.mark.parametrize("dtype", DTYPES)
def test_precisions_have_names_and_others_are_refused(dtype: str) -> None:
    AdmPhotos(dtype=dtype).refuse((3, 16, 16))
    with pytest.raises(ConfigError, match="must be one of float32, tf32, bfloat16, float16; got 'float8'"):
        AdmPhotos(dtype="float8").refuse((3, 16, 16))


def test_tf32_is_refused_before_the_file_is_looked_for() -> None:
    with pytest.raises(ConfigError, match="dtype=tf32 is a precision of GPUs alone; got device cpu"):
        loaded(small((1,)), Path("nowhere"), (3, 8, 8), "cpu", "tf32")
