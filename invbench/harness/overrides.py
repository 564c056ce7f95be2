"""The user's key=value options: read once, here, and passed to Hydra in a form that its grammar cannot misread.

A value is a number, a truth value, a list in brackets, or a text, depending on the type of its field. A text is taken
literally, without enclosing quotes. Commas outside of brackets and quotes separate the values of a sweep;
``choice(...)``, ``range(...)`` and ``glob(...)`` of plugin names are sweeps too.

Texts other than plain words reach Hydra and OmegaConf percent-encoded, so that neither interprets a ``=``, a quote or a
``${...}`` in the name of a folder; ``decoded`` undoes that.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString, RangeSweep, Sweep
from hydra.errors import HydraException
from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.nodes import BooleanNode, FloatNode, IntegerNode, StringNode

from invbench.errors import ConfigError, StoreError, shortened

SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort)\(.*\)", re.DOTALL)
NUMBERS = {
    IntegerNode: re.compile(r"[+-]?[0-9]+"),
    FloatNode: re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)", re.IGNORECASE),
    BooleanNode: re.compile(r"true|false|yes|no|on|off|y|n|1|0", re.IGNORECASE),
}
PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)[A-Za-z_][\w./-]*(?<!/)", re.ASCII | re.IGNORECASE)
MARK = "%%"  # marks a percent-encoded text
MOST = 10_000  # values of a sweep
LISTS = ("track",)  # options in which commas separate a list, not a sweep


def split(texts: Iterable[str], example: str) -> list[tuple[str, str]]:
    """Keys and values, each key once. Raises ConfigError, with the example, for an argument that is not key=value."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or text.startswith("-"):
            raise ConfigError(f"expected key=value, got {shortened(text)!r}; for example: {example}")
        if "\0" in value:
            raise ConfigError(f"{key}: expected a text without the character 0; got {shortened(value)!r}")
        if key in pairs:
            raise ConfigError(
                f"{key} is given twice, as {shortened(pairs[key])!r} and {shortened(value)!r}; give it once"
            )
        pairs[key] = value
    return list(pairs.items())


def parts(value: str) -> list[str]:
    """The parts between commas, except commas within brackets and quotes: ``gaussian 0.1 [-1,1]`` is one part.

    >>> parts("a, 'b,c',[1,2]")
    ['a', "'b,c'", '[1,2]']
    """
    pieces = re.findall(r"(?:\[[^]]*\]|\{[^}]*\}|\([^)]*\)|'[^']*'|\"[^\"]*\"|[^,])+", value)
    return [part.strip() for part in pieces] if len(pieces) > 1 else [value]


def values(key: str, value: str, names: Collection[str] = ()) -> list[str]:
    """Each value given for a key. Raises ConfigError for a sweep that cannot be read, or has no values.

    ``glob(...)`` chooses from ``names``.
    """
    if key in LISTS:
        return [value]
    if not SWEEP.fullmatch(value):
        return parts(value)
    with readable(key, value):
        parsed = OverridesParser.create().parse_override(f"{key}={value}").value()
        if not isinstance(parsed, Sweep | Glob):
            return [value]
        texts = _swept(parsed, names)
    if not texts:
        raise ConfigError(f"{key}: {value} has no values" + (f"; of {', '.join(sorted(names))}" if names else ""))
    return texts


def _swept(sweep: object, names: Collection[str]) -> list[str]:
    """The values of a sweep in Hydra's grammar, each in the user's notation."""
    if isinstance(sweep, Glob) and names:
        return sweep.filter(sorted(names))
    if isinstance(sweep, ChoiceSweep):
        texts = [_text(each) for each in sweep.list]
    elif isinstance(sweep, RangeSweep):
        texts = [_text(each) for each in islice(sweep.range(), MOST + 1)]
    else:
        raise ConfigError("interval(...) and glob(...) name no values here; write the values, for example a,b,c")
    if len(texts) > MOST:
        raise ConfigError(f"a sweep has at most {MOST:,} values; write fewer")
    if sweep.shuffle:
        random.shuffle(texts)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"  # 0.8 instead of a range's sum 0.7999999999999999
    if isinstance(value, str | QuotedString):
        text = value if isinstance(value, str) else value.text
        return text if PLAIN.fullmatch(text) else f"'{text}'"
    return Override._get_value_element_as_str(value)


def read(node: DictConfig, key: str, text: str, path: str) -> object:
    """The value of a text in the type of a field of a plugin's node. Raises ConfigError, naming ``path``."""
    field = node._get_node(key)
    type_name = _wanted(field)
    literal = unquoted(text)
    try:
        if literal == text == "null" and field._is_optional():  # type: ignore[union-attr]
            return None
        pattern = NUMBERS.get(type(field))  # type: ignore[arg-type]
        if pattern and not pattern.fullmatch(literal):
            raise ValueError
        node[key] = literal if isinstance(field, (*NUMBERS, StringNode, Enum)) else _loaded(field, text)
        value_node = node._get_node(key)
        return OmegaConf.to_container(value_node) if isinstance(value_node, Container) else value_node._value()  # type: ignore[union-attr]
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(f"{path}: expected a value of type {type_name}, got {shortened(text)!r}") from None


def _loaded(field: object, text: str) -> object:
    """A list or a value of any type in YAML's notation; a mapping in Hydra's, ``{angles:60,circle:true}``."""
    value = _mapped(text) if isinstance(field, DictConfig) else yaml.safe_load(text)
    if isinstance(field, Container) and not isinstance(value, list | dict):
        raise ValueError
    return value


def _mapped(text: str) -> object:
    """A mapping of Hydra's grammar as plain values."""
    return _plain(OverridesParser.create().parse_override(f"key={text}").value())


def _plain(value: object) -> object:
    """A value parsed by Hydra's grammar, with quoted texts as plain texts."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.text if isinstance(value, QuotedString) else value


def _wanted(field: Any) -> str:
    """The field's type in words."""
    if isinstance(field, Container):
        return "dict, as {a:1,b:2}" if isinstance(field, DictConfig) else "list, as [1,2]"
    kind = field._metadata.ref_type
    return str(getattr(kind, "__name__", kind))


def unquoted(text: str) -> str:
    """The text without the quotes around it.

    >>> unquoted("'a b'"), unquoted("it's")
    ('a b', "it's")
    """
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def for_hydra(value: object) -> str:
    """A value in the notation that Hydra's grammar reads back.

    >>> for_hydra([1e-3, True, "a b"])
    "[0.001,true,'%%a%20b']"
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{for_hydra(str(k))}:{for_hydra(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(for_hydra, value)) + "]"
    text = str(value)
    return text if PLAIN.fullmatch(text) else f"'{MARK}{quote(text, errors='surrogatepass')}'"


def decoded(value: object) -> object:
    """The inverse of ``for_hydra``, in texts, lists and mappings."""
    if isinstance(value, Mapping):
        return {decoded(k): decoded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decoded(each) for each in value]
    if isinstance(value, Path):
        return Path(str(decoded(str(value))))
    if isinstance(value, str) and value.startswith(MARK):
        return unquote(value.removeprefix(MARK), errors="surrogatepass")
    return value


@contextmanager
def readable(key: str, value: str) -> Iterator[None]:
    """Turn any error of Hydra's and YAML's parsers about a value into one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{key}: cannot read {shortened(value)!r} ({reason(error)})") from None


@contextmanager
def composing() -> Iterator[None]:
    """Turn Hydra's errors about a configuration into one line; our own errors pass."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"the options do not make a configuration: {reason(error)}") from None
    except OSError as error:
        if not error.filename:  # of standard output
            raise
        raise StoreError(f"cannot write {error.filename}: {error.strerror}; choose another out=FOLDER") from None
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def reason(error: BaseException) -> str:
    """The message of an error of Hydra or YAML, without its advice on debugging."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    lines = [" ".join(line.split()) for line in str(error.__cause__ or error).splitlines()]
    useful = [line for line in lines if line and "HYDRA_FULL_ERROR" not in line]
    return shortened(useful[0] if useful else type(error).__name__)
