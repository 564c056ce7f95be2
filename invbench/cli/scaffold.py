"""``invbench new KIND NAME``: a new distribution with a working plugin, its tests and its data files."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

from invbench.declarations import LONGEST
from invbench.errors import ConfigError, StoreError, unknown
from invbench.plugins import Catalog

TEMPLATES = files("invbench.cli") / "templates"  # a folder of files for every kind, and one folder per kind
PLACES = {  # all other files are beside the module
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "plugin.py": "invbench_$name/$kind.py",
    "test.py": "tests/test_$name.py",
}
VALUES = {"null", "true", "false", "inf", "nan"}  # solver=NAME would not read these as a name


def _array(make: Callable[[], object]) -> Callable[[], bytes]:
    """A function that returns the bytes of an ``.npy`` file."""

    def made() -> bytes:
        import numpy as np

        file = io.BytesIO()
        np.save(file, np.asarray(make(), np.float32))
        return file.getvalue()

    return made


def _kernel() -> object:
    """A blur of five pixels, (5, 5), of sum 1."""
    import numpy as np

    taps = np.array([1, 4, 6, 4, 1]) / 16
    return np.outer(taps, taps)


def _weights() -> bytes:
    """Mean and standard deviation of the pixels of photographs, roughly."""
    import numpy as np
    from safetensors.numpy import save

    return save({"mean": np.array([-0.1], np.float32), "std": np.array([0.5], np.float32)})


def _picture(number: int) -> Callable[[], bytes]:
    """A function that returns a PNG of 64 x 64 pixels: a disc, placed by ``number``, on a colour gradient."""

    def made() -> bytes:
        import numpy as np
        from PIL import Image

        at = np.linspace(-1, 1, 64)
        x, y = np.meshgrid(at, at)
        turn = 2.4 * number
        slope = 0.5 + 0.4 * np.stack([x, y, -x], axis=2) * np.cos(turn)
        disc = np.hypot(x - 0.4 * np.cos(turn), y - 0.4 * np.sin(turn)) < 0.3 + 0.05 * (number % 4)
        colour = 0.5 + 0.5 * np.cos(turn + np.array([0.0, 2.0, 4.0]))
        file = io.BytesIO()
        Image.fromarray((255 * np.where(disc[..., None], colour, slope)).round().astype(np.uint8)).save(file, "PNG")
        return file.getvalue()

    return made


@dataclass(frozen=True)
class Start:
    """Contents of a new plugin besides module and tests: data files, their descriptions, and commands to try."""

    commands: tuple[str, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


KINDS = {
    "solver": Start(
        ("invbench run solver=$name,ddrm task=denoise", "invbench tune solver=$name task=denoise"),
        {"solver.toml": "the options that `invbench tune` tries, and values by preset and task"},
    ),
    "task": Start(
        ("invbench run solver=ddrm task=$name",),
        {"kernel.npy": "the weights of the blur, as `numpy.save` writes them"},
        {"kernel.npy": _array(_kernel)},
    ),
    "dataset": Start(
        ("invbench run solver=ddrm task=sr4 dataset=$name", "invbench tune solver=ddnm_plus task=sr4 dataset=$name"),
        {"test/": "pictures to report numbers of", "tune/": "others, from which `invbench tune` chooses options"},
        {f"{'test' if i < 8 else 'tune'}/disc-{i:02d}.png": _picture(i) for i in range(16)},
    ),
    "prior": Start(
        ("invbench run solver=ddrm task=denoise prior=$name",),
        {"network.py": "the network", "weights.safetensors": "its weights"},
        {"weights.safetensors": _weights},
    ),
    "metric": Start(
        ("invbench run solver=ddrm task=denoise", "invbench table task=denoise --metrics psnr,$name"),
    ),
}


def new_plugin(kind: str, name: str, where: Path, catalog: Catalog) -> str:
    """Write ``where``/invbench-NAME with a plugin of a kind; returns a text with the next steps.

    Raises ConfigError for an unknown kind, or a name that is invalid or taken; StoreError if nothing can be written.
    """
    if kind not in KINDS:
        raise ConfigError(unknown("kind of plugin", kind, KINDS))
    _refuse(kind, name, catalog)
    folder = where / f"invbench-{name.replace('_', '-')}"
    try:
        folder.mkdir(parents=True)
        for place, content in _contents(kind, name):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except FileExistsError:
        raise StoreError(f"{folder} exists already; choose another name, or remove it") from None
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from None
    steps = [f"pip install --editable './{folder}[test]'", f"python -m pytest ./{folder}", *_commands(kind, name)]
    module = folder / f"invbench_{name}" / f"{kind}.py"
    return "\n".join([f"{module} holds the {kind}. Next:", "", *(f"  {step}" for step in steps)])


def _refuse(kind: str, name: str, catalog: Catalog) -> None:
    """Raise ConfigError if the name is invalid or taken."""
    if not re.fullmatch(rf"[a-z](?:[a-z0-9_]{{0,{LONGEST - 2}}}[a-z0-9])?", name, re.ASCII):
        raise ConfigError(
            f"expected a name of small letters, digits and _, such as my_{kind}, that begins with a letter, does not "
            f"end with _ and has at most {LONGEST} characters; got {name[:80]!r}"
        )
    if name in VALUES:
        raise ConfigError(f"{kind}={name} would be read as a value; choose another name for the {kind}")
    if name in catalog.plugins[kind]:
        existing_plugin = catalog.plugin(kind, name)
        raise ConfigError(f"{existing_plugin.distribution} has a {kind} {name!r} already; choose another name")
    if importlib.util.find_spec(f"invbench_{name}"):
        raise ConfigError(f"a package invbench_{name} is installed already; choose another name")


def _contents(kind: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Every file of the distribution: path and content."""
    start = KINDS[kind]
    about = {f"{kind}.py": f"the {kind}", **start.about}
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "kind": kind,
        "cls": name.title().replace("_", "") + kind.title(),
        "files": "\n".join(f"- `invbench_{name}/{file}`: {text}" for file, text in about.items()),
        "commands": "\n".join(f"    {command}" for command in _commands(kind, name)),
    }
    for folder in ("common", kind):
        for template in (TEMPLATES / folder).iterdir():
            file = template.name.removesuffix(".txt")
            place = Template(PLACES.get(file, f"invbench_$name/{file}")).substitute(words)
            yield place, Template(template.read_text(encoding="utf-8")).substitute(words).encode()
    for file, make in start.data.items():
        yield f"invbench_{name}/{file}", make()


def _commands(kind: str, name: str) -> list[str]:
    """The commands that check and use the plugin."""
    return [Template(command).substitute(name=name) for command in ("invbench check $name", *KINDS[kind].commands)]
