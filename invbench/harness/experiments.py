"""A study in one file: options of a command from YAML, read by ``+experiment=mine``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from invbench.errors import ConfigError, unknown

FOLDER, NAME, KEYS = ("--config-dir", "-cd"), ("--config-name", "-cn"), ("+experiment", "experiment")


def expanded(words: Sequence[str]) -> list[str]:
    """The options, with those of a named experiment added except for keys that the user wrote.

    ``+experiment=NAME`` reads ``experiment/NAME.yaml`` below ``--config-dir DIR``, or ``conf``; NAME may also be the
    path of a file. ``--config-name NAME`` reads ``NAME.yaml`` there; an experiment may replace some of its options.
    Keys are options (``solver.nfe: 20``, or nested), lists are sweeps; ``defaults`` may choose plugins in Hydra's
    notation (``- override /solver: ddrm``).
    Raises ConfigError for a file that is absent or has other content.
    """
    folder, rest = _flag(words, FOLDER)
    config, rest = _flag(rest, NAME)
    name, own = _experiment(rest)
    if folder is not None and name is None and config is None:
        raise ConfigError(f"{FOLDER[0]} is the folder of experiments; name one: +experiment=NAME")
    root = Path(folder or "conf").expanduser()
    options = {} if config is None else dict(_options(_read("configuration", config, root)))
    options |= {} if name is None else dict(_options(_read("experiment", name, root / "experiment")))
    written = {_key(word).lstrip("+") for word in own}
    return [*(f"{key}={text}" for key, text in options.items() if key not in written), *own]


def _experiment(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The named experiment, if there is one, and the other options. Raises ConfigError if there are two."""
    named = [_value(word) for word in words if _key(word) in KEYS]
    if len(named) > 1:
        raise ConfigError(f"+experiment is given twice, as {' and '.join(map(repr, named))}; give it once")
    return next(iter(named), None), [word for word in words if _key(word) not in KEYS]


def _key(word: str) -> str:
    return word.partition("=")[0]


def _value(word: str) -> str:
    return word.partition("=")[2]


def _flag(words: Sequence[str], names: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of one of Hydra's flags, after a space or an equals sign, and the other options."""
    rest, value = list(words), None
    for i, word in enumerate(words):
        if word in names and i + 1 < len(words):
            value, rest = words[i + 1], [*words[:i], *words[i + 2 :]]
        elif _key(word) in names:
            value, rest = _value(word), [*words[:i], *words[i + 1 :]]
    return value, rest


def _read(what: str, name: str, folder: Path) -> Mapping[str, object]:
    """The content of a file of the folder, or of one that is named by its path."""
    own = Path(name).expanduser()
    path = own if own.suffix in (".yaml", ".yml") and own.is_file() else folder / f"{name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        known = [each.stem for each in sorted(folder.glob("*.yaml"))]
        raise ConfigError(f"no {path}: {unknown(what, name, known)}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected options, as 'solver: [ddrm, dps]'; got a {type(content).__name__}")
    return content


def _options(content: Mapping[str, object], within: str = "") -> Iterator[tuple[str, str]]:
    """Each option and its text."""
    for key, value in content.items():
        if key == "defaults" and not within:
            yield from _defaults(value)
        elif isinstance(value, dict):
            yield from _options(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", _text(value)


def _defaults(entries: object) -> Iterator[tuple[str, str]]:
    """Plugins that a list of defaults chooses; ``_self_`` is ignored."""
    for entry in entries if isinstance(entries, list) else []:
        for key, value in entry.items() if isinstance(entry, dict) else []:
            yield str(key).removeprefix("override ").lstrip("/"), _text(value)


def _text(value: object) -> str:
    """A value in the notation of the command line; a list becomes a sweep.

    >>> _text([0, "gaussian 0.1 [-1,1]"]), _text(True), _text("a,b")
    ('0,gaussian 0.1 [-1,1]', 'true', 'a,b')
    """
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
