"""Objects that a user names by a dotted path, ``package.module:name``."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from invbench.artifacts import weights_sha256
from invbench.errors import ConfigError, one_line


def imported(target: str, of: str) -> Any:
    """The object ``package.module:name``; modules in the current folder are found, as by ``python -m``.

    Raises ConfigError, whose message begins with ``of``, if there is no such object.

    >>> imported("math:tau", "option")
    6.283185307179586
    """
    place, _, name = target.replace(":", ".").rpartition(".")
    if not place:
        raise ConfigError(f"{of}: expected package.module:name, got {target!r}")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(place)
    except ImportError as error:
        raise ConfigError(f"{of}: cannot import {place} ({error}); is it installed, or in this folder?") from None
    except Exception as error:  # the user's code may raise anything
        raise ConfigError(f"{of}: importing {place} raised {type(error).__name__}: {one_line(str(error))}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not hasattr(module, name):
        raise ConfigError(f"{of}: {place} has no {name}")
    return getattr(module, name)


def source_of(target: str, of: str) -> str:
    """SHA-256 of the file that a dotted name is in and, if it is another file, of the one that defines its class."""
    thing = imported(target, of)
    module = sys.modules[target.replace(":", ".").rpartition(".")[0]]
    files = [getattr(module, "__file__", None)]
    with suppress(TypeError):  # what is built in has no file
        files.append(inspect.getfile(thing if isinstance(thing, type) or inspect.isfunction(thing) else type(thing)))
    digests = [weights_sha256(Path(file)) for file in dict.fromkeys(files) if file]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
