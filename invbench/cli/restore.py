"""The command that restores measurements of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from invbench.cli import completion
from invbench.errors import ConfigError
from invbench.messages import plain_warnings

WHOLE = ("samples", "seed", "tile", "batch_size")  # options that are whole numbers
EXAMPLE = "invbench restore photo.png task=deblur task.kernel=kernel.png solver=ddrm sigma='0.02 [0,1]' to=x.png"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=completion.OVERRIDES)
def restore(words: tuple[str, ...]) -> None:
    """Restore measurements of your own: invbench restore FILE... task=NAME solver=NAME sigma='0.02 [0,1]' to=x.png

    \b
    invbench restore photo.png task=denoise solver=ddrm sigma='0.1 [0,1]' to=x.png
    invbench restore photo.png task=deblur task.kernel=kernel.png solver=ddrm sigma='0.02 [0,1]' to=x.png
    invbench restore photo.png task=inpaint task.mask=mask.png solver=ddnm_plus sigma='0.01 [0,1]' to=x.png
    invbench restore y.npy task=cs4 size=64x64 solver=ddrm sigma='0.02 [-1,1]' to=x.npy
    invbench restore folder task=sr4 solver=davi sigma='0.025 [0,1]' to=restored

    FILE is a picture, of any size, grey or with transparency; an .npy file: an image (C,H,W) in [-1,1], or y as the
    operator measures; or a folder of them. White in a mask is missing.

    \b
    sigma='0.02 [0,1]'  level of the noise, with its unit; or task.noise=... and assume=..., as of a run
    to=x.png            where the image goes, a folder for several files; x.npy keeps every digit
    samples=1           of the posterior: writes their mean, each, and their standard deviation (white at 0.5)
    tile=256            side of the tiles in which images above 512 pixels are restored
    size=HxW            of the image, where y is no picture; size=CxHxW of other than three channels
    prior=, benchmark=photos, seed=0, device=auto, batch_size=4, and options of plugins as of 'invbench run'

    Nobody knows the truth here: what is printed is how well A x fits y, in levels of the noise, and the spread.
    """
    from invbench.api.restoring import restore as restored

    files, options = parse(words)
    to, named = Path(str(options.pop("to"))).expanduser(), {key: options.pop(key) for key in ("solver", "task")}
    for source, target in targets(files, to):
        with plain_warnings():
            result = restored(str(named["solver"]), source, str(named["task"]), **options)
        click.echo(f"{source}: {result}")
        for path in result.save(target):
            click.echo(f"  {path}")


def parse(words: Sequence[str]) -> tuple[list[Path], dict[str, Any]]:
    """Files, and options as Python has them. Raises ConfigError for what is neither, or is missing."""
    from invbench.harness.overrides import split, unquoted

    files = [Path(word).expanduser() for word in words if not _is_option(word)]
    pairs = dict(split(filter(_is_option, words), EXAMPLE))
    missing = [f"{key}=..." for key in ("task", "solver", "to") if key not in pairs]
    if missing or not files:
        raise ConfigError(f"expected {missing[0] if files else 'a file to restore'}; for example: {EXAMPLE}")
    return files, {key.replace(".", "__"): _typed(key, unquoted(value)) for key, value in pairs.items()}


def _is_option(word: str) -> bool:
    return "=" in word or word.startswith("-")


def targets(files: Sequence[Path], to: Path) -> list[tuple[Path, Path]]:
    """Each file, and where its image goes: ``to`` itself, or below it where there are several.

    Raises ConfigError where one is absent, or two would be written to one place.
    """
    from invbench.api.restored import refuse_target

    sources = [each for file in files for each in _within(file)]
    several = len(files) > 1 or files[0].is_dir()
    places = [(to / each.stem).with_suffix(_ending(each)) if several else to for each in sources]
    for place, source in zip(places, sources, strict=True):
        refuse_target(place)
        if places.count(place) > 1:
            raise ConfigError(f"several files would be written to {place}; rename {source}")
        if place.exists() and place.samefile(source):
            raise ConfigError(f"{place} is the measurement itself; choose another to=")
    return list(zip(sources, places, strict=True))


def _ending(file: Path) -> str:
    """Of the image of a file: numbers of numbers, else a picture."""
    return ".npy" if file.suffix == ".npy" else ".png"


def _within(file: Path) -> list[Path]:
    """The pictures and arrays of a folder, or the file itself. Raises ConfigError where there are none."""
    from invbench.image_files import suffixes

    if not file.exists():
        raise ConfigError(f"no such file: {file}; expected a picture, an .npy file or a folder of them")
    if not file.is_dir():
        return [file]
    kinds = {".npy", *suffixes()}
    files = sorted(each for each in file.iterdir() if each.suffix.lower() in kinds and not each.name.startswith("."))
    if not files:
        raise ConfigError(f"{file} holds no pictures and no .npy files")
    return files


def _typed(key: str, value: str) -> Any:
    """An option of restore as its type; those of plugins as they are written."""
    if key not in WHOLE:
        return value
    if not value.isdecimal():
        raise ConfigError(f"{key}: expected a whole number; got {value!r}")
    return int(value)


COMMANDS = (restore,)
