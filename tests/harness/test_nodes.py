"""Plugins' dataclasses as nodes of a configuration, and instances of the types of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import invbench as ib
from invbench.errors import ConfigError, PluginError
from invbench.harness.checks import check_overrides
from invbench.harness.nodes import make, node_of, typed, typed_settings
from invbench.harness.options import register
from invbench.plugins import Catalog, Plugin, load_catalog

CATALOG = load_catalog()
PLAIN = ["solver=pinv", "task=sr4"]


def test_a_wrong_value_names_the_plugin() -> None:
    with pytest.raises(ConfigError, match="solver ddrm: .*unexpected keyword argument 'steps'"):
        make(CATALOG.get("solver", "ddrm"), {"steps": 3}, "solver")
    with pytest.raises(ConfigError, match=r"wiener: tau must be positive; got -1\.0"):
        make(CATALOG.get("solver", "wiener"), {"tau": -1.0}, "solver")


@dataclass(frozen=True)
class Unreadable(ib.Solver):
    """A field whose type cannot be written on a command line."""

    name: ClassVar[str] = "unreadable"
    source: complex = 1j

    def solve(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def with_plugins(*classes: tuple[str, type[Any]]) -> Catalog:
    catalog = load_catalog()
    for kind, cls in classes:
        catalog.plugins[kind][cls.name] = Plugin(kind, cls.name, cls, "theirs", "1")
    return catalog


def test_a_field_of_a_type_that_cannot_be_configured_is_refused_when_asked_for() -> None:
    catalog = with_plugins(("solver", Unreadable))
    register(catalog)
    with pytest.raises(PluginError, match=r"Unreadable cannot be configured: .*Its fields must be of plain types"):
        check_overrides(["solver=unreadable", "task=sr4"], catalog)
    assert check_overrides(PLAIN, catalog) == PLAIN


def test_options_get_the_types_of_their_fields() -> None:
    options = typed(CATALOG.get("solver", "davi").options, {"steps": "12", "lr": "1e-3", "cosine": "true"}, "training")
    assert (options.steps, options.lr, options.cosine) == (12, 1e-3, True)


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown option of solver 'nef'; did you mean 'nfe'"):
        typed(CATALOG.get("solver", "ddrm"), {"nef": 3}, "solver")
    with pytest.raises(ConfigError, match="solver.nfe: expected a value of type int, got 'few'"):
        typed(CATALOG.get("solver", "ddrm"), {"nfe": "few"}, "solver")


def test_an_error_of_a_plugins_own_names_its_type() -> None:
    @dataclass(frozen=True)
    class Odd(Unreadable):
        name: ClassVar[str] = "odd"

        def __post_init__(self) -> None:
            raise KeyError("k")

    with pytest.raises(ConfigError, match=r"^solver odd: KeyError: 'k'$"):
        make(Odd, {}, "solver")


def test_a_set_of_hyper_parameters_has_its_types() -> None:
    ddrm = CATALOG.get("solver", "ddrm")
    assert typed_settings(ddrm, {"nfe": "7", "eta": 1}, "here") == {"nfe": 7, "eta": 1.0}
    with pytest.raises(PluginError, match="hyper-parameters of 'here': .*few"):
        typed_settings(ddrm, {"nfe": "few"}, "here")


def test_a_mapping_among_the_options_takes_any_key() -> None:
    node = node_of(CATALOG.get("task", "module"))
    node.arguments["any"] = 3
    assert node.arguments["any"] == 3
