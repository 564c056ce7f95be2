"""A plugin's dataclass as a node of Hydra's configuration, and instances built from values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf, ValidationError

from invbench.errors import ConfigError, InvbenchError, PluginError, unknown
from invbench.harness.overrides import for_hydra, read

T = TypeVar("T")


def node_of(cls: type[Any]) -> DictConfig:
    """A plugin's dataclass as a configuration node. Raises PluginError if its annotations cannot be read."""
    try:
        node: DictConfig = OmegaConf.structured(cls)
    except Exception as error:  # omegaconf and typing raise various errors for annotations they cannot read
        reason = str(error).splitlines()[0]
        raise PluginError(
            f"{cls.__module__}.{cls.__name__} cannot be configured: {reason}. Its fields must be of plain types, and "
            "every annotation importable"
        ) from None
    OmegaConf.set_readonly(node, None)  # a frozen dataclass makes its node read-only
    for field in (node._get_node(key) for key in node):
        if isinstance(field, DictConfig):
            OmegaConf.set_struct(field, False)  # a mapping takes any key
    return node


def field_names(cls: type[Any]) -> list[str]:
    """The options of a plugin: the fields of its dataclass."""
    return [f.name for f in dataclasses.fields(cls)]


def defaults_of(cls: type[Any]) -> dict[str, object]:
    """The fields of a plugin's dataclass with their defaults, as plain values."""
    return cast(dict[str, object], OmegaConf.to_container(node_of(cls)))


def make(cls: type[T], values: Mapping[str, object], kind: str) -> T:
    """An instance of a plugin's dataclass. Raises ConfigError with the plugin's name for a wrong value."""
    try:
        return cls(**values)
    except InvbenchError:
        raise
    except Exception as error:  # in a third party's __post_init__
        error_type = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
        raise ConfigError(f"{kind} {getattr(cls, 'name', cls.__name__)}: {error_type}{error}") from None


def typed(cls: type[T], values: Mapping[str, object], kind: str) -> T:
    """An instance whose fields have the types they declare. Raises ConfigError for an unknown field or wrong value."""
    known = field_names(cls)
    for key in values:
        if key not in known:
            raise ConfigError(unknown(f"option of {kind}", key, known))
    node, fields = node_of(cls), defaults_of(cls)
    for key, value in values.items():
        fields[key] = read(node, key, value if isinstance(value, str) else for_hydra(value), f"{kind}.{key}")
    return make(cls, fields, kind)


def typed_settings(cls: type[Any], values: Mapping[str, object], origin: str) -> dict[str, object]:
    """A set of hyper-parameters, each in its field's type."""
    try:
        merged = OmegaConf.merge(node_of(cls), dict(values))
        settings = cast(dict[str, object], OmegaConf.to_container(merged))
    except ValidationError as error:
        raise PluginError(f"hyper-parameters of {origin!r}: {str(error).splitlines()[0]}") from None
    return {key: settings[key] for key in values}
