"""The command that restores: files, folders, and what is said of wrong words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import called
from made_images import photo, saved
from PIL import Image

from invbench.cli.restore import parse, targets
from invbench.errors import ConfigError


def test_the_command_restores_files_and_folders(tmp_path: Path) -> None:
    x = photo(24, 20)
    (tmp_path / "in").mkdir()
    saved(x, tmp_path / "in" / "a.png")
    np.save(tmp_path / "in" / "b.npy", x.numpy())
    words = ["restore", "in", "task=denoise", "solver=wiener", "sigma=0.02 [0,1]", "to=out"]
    ran = called(words, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert Image.open(tmp_path / "out" / "a.png").size == (20, 24)
    assert np.load(tmp_path / "out" / "b.npy").shape == (3, 24, 20)
    ran = called(["restore", "in/a.png", *words[2:-1], "samples=2", "to=x.png"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert sorted(p.name for p in tmp_path.glob("x*.png")) == ["x-0.png", "x-1.png", "x-std.png", "x.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a file to restore; for example"),
        (["a.png", "task=denoise"], "expected solver=...; for example"),
        (["a.png", "task=denoise", "solver=wiener", "to=x.png", "samples=two"], "samples: expected a whole number"),
        (["a.png", "task=denoise", "solver=wiener", "to=x.png"], "no such file: a.png"),
        (["y.png", "task=denoise", "solver=wiener", "to=x.docx"], "expected the name of a picture, for example x.png"),
        (["y.png", "task=denoise", "solver=wiener", "to=x.psd"], "expected the name of a picture, for example x.png"),
        (["y.png", "task=denoise", "solver=wiener", "to=y.png"], "is the measurement itself"),
        (
            ["y.png", "task=denoise", "solver=wiener", "to=y.png/x.png"],
            "y.png is not a writable folder; choose another to=",
        ),
        (
            ["y.png", "bad.png", "task=denoise", "solver=wiener", "sigma=0.02 [0,1]", "to=x"],
            "cannot read image bad.png",
        ),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(tmp_path: Path, words: list[str], message: str) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "y.png")
    (tmp_path / "bad.png").write_text("no picture")
    ran = called(["restore", *words], tmp_path)
    assert ran.returncode != 0
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "y.png"], "nothing was restored"


def test_words_are_files_and_options_as_python_has_them() -> None:
    words = ["a.png", "task=inpaint", "task.mask='my mask.png'", "solver=ddrm", "to=x.png", "samples=3", "seed=0"]
    files, options = parse(words)
    assert files == [Path("a.png")]
    assert options == {
        "task": "inpaint", "task__mask": "my mask.png", "solver": "ddrm", "to": "x.png", "samples": 3, "seed": 0
    }  # fmt: skip
    with pytest.raises(ConfigError, match="samples: expected a whole number; got 'two'"):
        parse([*words[:-2], "samples=two"])
    with pytest.raises(ConfigError, match=r"expected solver=\.\.\.; for example"):
        parse(["a.png", "task=sr4", "to=x.png"])
    with pytest.raises(ConfigError, match="expected a file to restore"):
        parse(words[1:])


def test_each_file_of_a_folder_has_a_place_of_its_own(tmp_path: Path) -> None:
    for name in ("a.png", "b.npy", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    out = tmp_path / "out"
    assert targets([tmp_path], out) == [(tmp_path / "a.png", out / "a.png"), (tmp_path / "b.npy", out / "b.npy")]
    assert targets([tmp_path / "a.png"], tmp_path / "x.png") == [(tmp_path / "a.png", tmp_path / "x.png")]
    with pytest.raises(ConfigError, match="a.png is the measurement itself; choose another to="):
        targets([tmp_path / "a.png"], tmp_path / "a.png")
    with pytest.raises(ConfigError, match="no such file: .*c.png"):
        targets([tmp_path / "c.png"], out)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ConfigError, match=r"several files would be written to .*a\.png; rename"):
        targets([tmp_path], out)
