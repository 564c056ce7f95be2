"""Jobs from ``key=value`` options, the same that Hydra composes, without the quarter of a second it takes for each.

Used from Python, and by commands that use no feature of Hydra itself, such as a launcher.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import SimpleNamespace

from invbench.harness.checks import EXAMPLE, checked_values
from invbench.harness.config import Choice
from invbench.harness.nodes import defaults_of
from invbench.harness.options import GROUPS, HYDRAS, RunConfig
from invbench.harness.overrides import split
from invbench.harness.places import folder
from invbench.plugins import Catalog


def choices(words: Sequence[str], catalog: Catalog) -> Iterator[Choice]:
    """The jobs of ``solver=ddrm,dps task=sr4 seed=0,1`` in Hydra's order: the last key changes fastest.

    Raises ConfigError or PluginError for unknown names and keys, and for values that are not of their field's type.
    """
    own = dict(split(words, EXAMPLE))
    values_of = checked_values(own, catalog)
    checked = {key: values_of[key] for key in own}  # in the order in which they were written
    for values in product(*checked.values()):
        yield _choice(dict(zip(checked, values, strict=True)), catalog)


def _choice(written: Mapping[str, object], catalog: Catalog) -> Choice:
    """The job of these values; fields that the user did not write have their defaults."""
    benchmark = str(written.get("benchmark", "photos"))
    names = {kind: str(written.get(kind, benchmark)) for kind in ("benchmark", *GROUPS)}
    own = {"prior": catalog.benchmark(benchmark).prior} if names["prior"] == benchmark else {}
    config = {f.name: getattr(RunConfig(), f.name) for f in dataclasses.fields(RunConfig) if f.name not in HYDRAS}
    config |= {key: value for key, value in written.items() if "." not in key}
    for kind in GROUPS:
        fields = defaults_of(catalog.get(kind, {**names, **own}[kind]))
        mine = {key.partition(".")[2]: value for key, value in written.items() if key.startswith(f"{kind}.")}
        config[kind] = fields | mine
    del config["benchmark"]
    return Choice(names, SimpleNamespace(**config | {"out": str(folder(config["out"]))}), frozenset(written))
