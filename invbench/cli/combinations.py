"""Several values per option: a command is carried out for each combination, as 'invbench run' does for cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from math import prod

import click

from invbench.errors import ConfigError, InvbenchError
from invbench.guard import printable
from invbench.harness.experiments import expanded
from invbench.harness.overrides import MOST, split, values

FLAGS = ("-m", "--multirun")  # with which Hydra sweeps; here it is enough to write several values
INTERRUPTED = 130  # the exit status after a Ctrl-C


def combinations(texts: Sequence[str], example: str, names: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The overrides of each combination: of a,b,c, choice(...), range(...) and, of ``names`` by key, glob(...);
    those of a study in a file come first.

    Raises ConfigError, with the example, for an argument that is not key=value, or a sweep that cannot be read.
    """
    pairs = split([text for text in expanded(texts) if text not in FLAGS], example)
    swept = [[f"{key}={each}" for each in values(key, value, names.get(key, ()))] for key, value in pairs]
    if prod(map(len, swept)) > MOST:
        raise ConfigError(f"a sweep has at most {MOST:,} combinations; write fewer values")
    return [list(each) for each in product(*swept)]


def differing(words: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """For each combination, the options that differ between combinations."""
    pairs = [dict(text.split("=", 1) for text in each) for each in words]
    return [{k: v for k, v in own.items() if any(other[k] != v for other in pairs)} for own in pairs]


def each_of(words: Sequence[Sequence[str]], work: Callable[[int], int]) -> list[int | str]:
    """The exit status or error of each combination, by its index; combinations after a Ctrl-C are missing.

    A single combination raises its error. If there are several, an error is a line on standard error, and the others
    are still carried out.
    """
    if len(words) == 1:
        return [work(0)]
    results: list[int | str] = []
    for i, own in enumerate(differing(words)):
        click.echo(f"{i + 1}/{len(words)}: {' '.join(f'{k}={v}' for k, v in own.items())}", err=True)
        try:
            results.append(work(i))
        except InvbenchError as error:
            click.echo(f"error: {printable(str(error))}", err=True)
            results.append(printable(str(error)))
        if results[-1] == INTERRUPTED:
            break
    return results


def status_of(results: Sequence[int | str]) -> int:
    """The exit status of all: 130 after a Ctrl-C, 1 if one failed."""
    if INTERRUPTED in results:
        return INTERRUPTED
    return 0 if all(each == 0 for each in results) else 1
