"""The command that restores measurements of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from invbench.cli import completion
from invbench.errors import ConfigError
from invbench.harness.places import refuse_unwritable
from invbench.messages import plain_warnings

WHOLE = ("samples", "seed", "tile", "batch_size")  # options whose values are integers
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

    FILE is a picture of any size, also grey or with transparency; an .npy file with an image (C,H,W) in [-1,1] or y in
    the operator's shape; or a folder of these. White pixels of a mask are missing.

    \b
    sigma='0.02 [0,1]'  noise level with its unit; or task.noise=... and assume=..., as for 'invbench run'
    to=x.png            output file, or a folder for several files; x.npy keeps full precision
    samples=1           number of posterior samples: writes mean, samples and standard deviation (white at 0.5)
    tile=256            side of the tiles in which images above 512 pixels are restored
    size=HxW            size of the image if y is not a picture; size=CxHxW if it has other than three channels
    prior=, benchmark=photos, seed=0, device=auto, batch_size=4, and plugin options as for 'invbench run'

    The truth is unknown, so the output says how well A x fits y, in units of the noise level, and how far samples
    differ.
    """
    from invbench.api.measurements import read_measurement
    from invbench.api.restoring import restore as restored

    files, options = parse(words)
    to, named = Path(str(options.pop("to"))).expanduser(), {key: options.pop(key) for key in ("solver", "task")}
    chosen = targets(files, to)
    for source, _ in chosen:  # a damaged file is told of before the others are restored
        read_measurement(source)
    for source, target in chosen:
        with plain_warnings():
            result = restored(str(named["solver"]), source, str(named["task"]), **options)
        click.echo(f"{source}: {result}")
        for path in result.save(target):
            click.echo(f"  {path}")


def parse(words: Sequence[str]) -> tuple[list[Path], dict[str, Any]]:
    """Files, and options as Python values. Raises ConfigError for an unknown argument, or if one is missing."""
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
    """Each file and the path of its output: ``to`` itself, or below it if there are several files.

    Raises ConfigError if a file is absent, or if two would be written to one path.
    """
    from invbench.api.restored import refuse_target

    sources = [each for file in files for each in _within(file)]
    several = len(files) > 1 or files[0].is_dir()
    places = [(to / each.stem).with_suffix(_ending(each)) if several else to for each in sources]
    for place, source in zip(places, sources, strict=True):
        refuse_target(place)
        refuse_unwritable(place.parent, "choose another to=")
        if places.count(place) > 1:
            raise ConfigError(f"several files would be written to {place}; rename {source}")
        if place.exists() and place.samefile(source):
            raise ConfigError(f"{place} is the measurement itself; choose another to=")
    return list(zip(sources, places, strict=True))


def _ending(file: Path) -> str:
    """The suffix of a file's output: .npy for an array, else that of a picture."""
    from invbench.image_files import is_array

    return ".npy" if is_array(file) else ".png"


def _within(file: Path) -> list[Path]:
    """The pictures and arrays of a folder, or the file itself. Raises ConfigError if there are none."""
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
    """An option of restore in its type; options of plugins as text."""
    if key not in WHOLE:
        return value
    if not value.isdecimal():
        raise ConfigError(f"{key}: expected a whole number; got {value!r}")
    return int(value)


COMMANDS = (restore,)
