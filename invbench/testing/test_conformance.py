"""Every check on every installed plugin: ``pytest --pyargs invbench.testing``, with ``-k NAME`` for one of them.

INVBENCH_CHECK=NAME selects the plugins of exactly that name.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import pytest

from invbench.testing.findings import Fault, NotApplicable
from invbench.testing.plugins import KITS
from invbench.testing.problems import installed

ONLY = os.environ.get("INVBENCH_CHECK")
CASES = [
    (kind, name, check)
    for kind, plugins in installed().plugins.items()
    if kind in KITS  # trackers have none: they would export something
    for name in sorted(plugins)
    for check in KITS[kind].checks
    if ONLY in (None, "", name)
]


@cache
def lab(kind: str, name: str) -> Any:
    return KITS[kind].lab(installed().get(kind, name))


@pytest.mark.parametrize(("kind", "name", "check"), CASES, ids=["-".join(case) for case in CASES])
def test_conformance(kind: str, name: str, check: str) -> None:
    try:
        KITS[kind].checks[check](lab(kind, name))
    except NotApplicable as reason:
        pytest.skip(str(reason))
    except Fault as fault:
        pytest.fail(f"{kind} {name}: {fault}", pytrace=False)


@pytest.mark.skipif(bool(ONLY), reason="INVBENCH_CHECK asks for one plugin")
def test_every_entry_point_loads() -> None:
    assert installed().broken == []


def test_the_plugin_asked_for_is_installed() -> None:
    assert CASES, f"no plugin is called {ONLY!r}; see 'invbench list'"
