"""What no command can mean is one line and an exit status, never a traceback and never taken in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from invbench.cli import main

CELL = ["solver=pinv", "benchmark=gmm2d", "task=denoise", "references=false", "n=2", "out=runs"]
RUN = ["run", *CELL]
DDRM = ["run", "solver=ddrm", *CELL[1:]]
TRAIN = ["train", "solver=davi", "benchmark=gmm2d", "task=denoise", "--dry-run"]
SAMPLE = ["sample", "prior=adm_photos"]
DEEP = "[" * 5000

# What is no number, in the grammars that a value passes: YAML, Hydra's, OmegaConf's, Python's.
NO_NUMBER = [
    *(
        "[",
        "]",
        "{",
        "}",
        "%",
        "%41",
        "@x",
        "@1",
        "*a",
        "&a",
        "!!python/object:os.system",
        "!!int 1",
        "|",
        ">",
        "`",
        "\t",
    ),
    *("\0", "\n", " ", "", "'", '"', "''", "\\", "${oc.env:HOME}", "${seed}", "$", "#", "~", "?", "- 1", "1: 2", "a=b"),
    *(
        "0x10",
        "0o7",
        "0b1",
        "1_000",
        "1e1",
        "1.5",
        "1.",
        ".",
        "--1",
        "+-1",
        "1 2",
        "one",
        "null",
        "None",
        "true",
        "nan",
    ),
    *("inf", "1j", "\N{FULLWIDTH DIGIT ONE}", "\N{ARABIC-INDIC DIGIT THREE}", "\udce9", "9" * 5000, DEEP, "{a:" * 2000),
    *(
        "[1]",
        "{a: 1}",
        "(1)",
        "choice(",
        "choice()",
        "choice(x)",
        "range(0,3",
        "range(0,3,0)",
        "interval(0,1)",
        "glob(*)",
    ),
    *(
        "shuffle(1)",
        "sort(",
        "sort(b,a)",
        "choice([,])",
        "range(0,1000000000)",
        "extend_list(1)",
        "int(x)",
        "json_str(1)",
    ),
]
NO_TRUTH = ["maybe", "2", "-1", "[", "{", "%", "null", "@x", "0x1", "", "yes please", "'", DEEP]
NO_FLOAT = [
    "[",
    "{",
    "%",
    "@x",
    "*a",
    "0x10",
    "1_0",
    "one",
    "",
    "null",
    "1,5x",
    "${seed}",
    "!!float 1",
    "1e",
    "e5",
    DEEP,
]

BAD: list[list[str]] = [
    *([*RUN, f"seed={text}"] for text in NO_NUMBER),
    *([*DDRM, f"solver.nfe={text}"] for text in NO_NUMBER),
    *([*TRAIN, f"seed={text}"] for text in NO_NUMBER),
    *([*SAMPLE, f"n={text}"] for text in NO_NUMBER),
    *([*RUN[:4], "n=2", "out=runs", f"references={text}"] for text in NO_TRUTH),
    *([*DDRM, f"solver.eta={text}"] for text in NO_FLOAT),
    *([*TRAIN, f"training.lr={text}"] for text in [*NO_FLOAT, "-1", "nan", "inf"]),
    *(["bench", *CELL[:3], f"batch_size={text}"] for text in NO_FLOAT),
    *(["plan", *CELL[:3], f"samples={text}"] for text in NO_FLOAT),
    *(["tune", "solver=dps", *CELL[1:3], f"batch_size={text}"] for text in NO_FLOAT),
    # names, keys and flags
    *(
        [*RUN[:1], f"solver={text}", *CELL[1:]]
        for text in ("", "[", "{", "%", "glob(z*)", "pinv,", "a=b", "../x", "null", "choice(")
    ),
    *(
        [*RUN, text]
        for text in ("~task", "~task=denoise", "+foo=1", "+seed=1", "foo", "=", "=1", "seed", "solver.=1", ".x=1")
    ),
    *([*RUN, text] for text in ("solver.nfe.x=1", "hydra/launcher=nosuch", "hydra/sweeper=nosuch", "hydra.nosuch=1")),
    *([*RUN, text] for text in ("hydra.sweep.dir=[", "hydra/launcher=[", "++nosuch=1", "solver@x=pinv", "benchmark=x")),
    *(
        [*RUN, *flags]
        for flags in (["--config-dir", "conf"], ["--config-dir=conf"], ["--config-name=x"], ["--hydra-help"])
    ),
    *(
        [*RUN, *flags]
        for flags in (["--cfg"], ["--cfg", "x"], ["--cfg=x"], ["--info", "x"], ["-p"], ["--nosuch"], ["-x"])
    ),
    *(
        [*RUN, *flags]
        for flags in (["--seed=1"], ["--shell-completion"], ["-cd", "x"], ["-r"], ["--multi"], ["--package", "["])
    ),
    *([*RUN, f"seed={a}", f"seed={b}"] for a, b in ((0, 1), (0, 0))),
    *([*RUN, text] for text in CELL),
    *(
        [*TRAIN, text]
        for text in ("task=denoise", "training.steps=1 training.steps=2", "+foo=1", "foo=1", "x", "training.x=1")
    ),
    *(
        [*SAMPLE, *texts]
        for texts in (["n=1", "n=2"], ["prior=gmm"], ["foo=1"], ["prior.x=1"], ["n=0"], ["nfe=0"], ["x"])
    ),
    # values that are of the type, and of no sense
    *(
        [*RUN, f"shard={text}"]
        for text in ("", "1", "1/1", "a/b", "-1/2", "0/0", "\N{ARABIC-INDIC DIGIT ONE}/4", "0/4/1", "[", "%")
    ),
    *(
        [*RUN[:1], *CELL[:4], "n=-1"],
        [*RUN, "samples=0"],
        [*RUN, "batch_size=0"],
        [*RUN, "device=abacus"],
        [*RUN, "device=["],
    ),
    *([*RUN, f"assume={text}"] for text in ("x", "0.1", "[", "%")),
    *(
        [*RUN, f"task.noise={text}"]
        for text in ("", "x", "gaussian", "gaussian 0.1", "gaussian [", "{", "%", "${seed}", DEEP)
    ),
    *(
        [*RUN[:1], *CELL[:5], f"out={text}"]
        for text in ("", "''", "\0", "caf\udce9", "file.txt", "file.txt/x", "a" * 300)
    ),
    # commands that read
    *(
        ["table", "--out", "runs", *words]
        for words in (["x"], ["seed"], ["foo=1"], ["task=x"], ["task=sr4", "task=denoise"], ["="])
    ),
    *(
        ["table", "--out", "runs", *words]
        for words in (["--format", "x"], ["--paper", "x"], ["--paper", "0"], ["--paper", "99"])
    ),
    *(
        ["table", "--out", "runs", *words]
        for words in (["--metrics", "x"], ["--metrics", ","], ["--budgets", "x"], ["--budgets", ","])
    ),
    *(
        ["table", "--out", "runs", *words]
        for words in (
            ["--budgets", "-1"],
            ["--budgets", "nan"],
            ["--intervals", "--std"],
            ["--by-task", "--paper", "1"],
            ["--budgets", "20", "--std"],
            ["--times", "--no-intervals"],
            ["--caption", "x"],
            ["--format", "latex", "--siunitx"],
            ["--format", "latex", "--by-task", "--caption", "50 %"],
            ["--format", "latex", "--by-task", "--label", "a b"],
            ["noise=x"],
        )
    ),
    *(["table", "--out", name] for name in ("", "nowhere", "[", "*", "%", "\0", "caf\udce9")),
    ["table", "--out", "runs", "--out", "runs"],
    ["table", "--format"],
    *(["explain", name, "--out", "runs"] for name in ("", "x", "pinv", "*", "[", "../..", "\0")),
    *(["verify", name, "--out", "runs"] for name in ("", "x", "pinv", "*")),
    *(["verify", "pinv", "--out", "runs", f"--tolerance={text}"] for text in ("nan", "-1", "x", "")),
    ["verify", "pinv", "--out", "runs", "--images=-1"],
    *(
        ["versus", *pair, "--out", "runs"]
        for pair in (("pinv", "pinv"), ("pinv", "x"), ("", ""), ("x", "y"), ("pinv", "ddrm"))
    ),
    ["versus", "pinv", "ddrm", "--format", "x", "--out", "runs"],
    *(["compare", *words] for words in (["runs", "x"], ["x", "runs"], ["runs"], ["runs", "runs", "--fail-on", "x"])),
    *(
        ["compare", "runs", "runs", *words]
        for words in (["--format", "x"], ["--fail-on", "psnr<nan"], ["--fail-on", "x<1"])
    ),
    *(["claims", *words] for words in (["x"], [""], ["--benchmark", "x"], ["--format", "x"], ["--out", "nowhere"])),
    *(
        ["figure", *words, "--out", "runs"]
        for words in (["x"], ["--metric", "x"], ["--solvers", "x"], ["--solvers", ","])
    ),
    *(
        ["figure", *words, "--out", "runs"]
        for words in (["--images", "../../etc/passwd"], ["--rows", "0"], ["--to", "x.doc"])
    ),
    *(
        ["figure", *words, "--out", "runs"]
        for words in (["--to", ""], ["scatter"], ["--zoom", "bars"], ["bars", "--cost", "nfe"])
    ),
    *(
        ["report", *words, "--out", "runs"]
        for words in (["--to", "x"], ["--to", "file.txt/x.html"], ["--images", "-1"], ["x"])
    ),
    *(["release", *words] for words in ([""], ["a=b"], ["to", "--out", "nowhere"], ["runs", "--out", "runs"])),
    ["rescore", "--out", "nowhere"],
    *(["bench", *CELL[:3], f"--limit={text}"] for text in ("nan", "-1", "x", "")),
    *(["bench", *CELL[:3], f"--repeats={text}"] for text in ("0", "-1", "x", "1.5")),
    *(
        ["new", *words]
        for words in (
            ["solver", "class"],
            ["solver", ""],
            ["solver", "../x"],
            ["solver", "A"],
            ["x", "y"],
            ["solver", "pinv"],
        )
    ),
    *(
        [command, name]
        for command in ("info", "check", "list", "fetch")
        for name in ("", "x", "[", "../..", "caf\udce9", "\0")
    ),
    *(
        [command]
        for command in (
            "explain",
            "verify",
            "versus",
            "compare",
            "info",
            "check",
            "new",
            "release",
            "run",
            "sample",
            "train",
        )
    ),
    ["nosuch"],
    ["--nosuch"],
    ["run", "--", "x"],
]

GOOD: list[tuple[list[str], str]] = [  # command lines, and what they print
    ([*RUN, "seed=+1", "--cfg", "job"], "seed: 1"),
    ([*RUN, "seed=-1", "--cfg", "job"], "seed: -1"),
    ([*RUN, "seed='1'", "--cfg=job"], "seed: 1"),
    ([*RUN, "seed=007", "-c", "job"], "seed: 7"),
    ([*RUN, "seed=12345678901234567890123", "-c", "job"], "seed: 12345678901234567890123"),
    ([*RUN, "seed=choice(0,1)", "--cfg", "job"], "seed: 1"),
    ([*RUN, "seed=range(0,2)", "--cfg", "job"], "seed: 1"),
    ([*RUN, "seed=0,1", "-m", "--cfg", "job"], "seed: 1"),
    ([*RUN, "++seed=1", "--cfg", "job"], "seed: 1"),
    ([*RUN, "hydra/launcher=basic", "--cfg", "job"], "name: pinv"),
    ([*RUN, "overwrite=yes", "--cfg", "job"], "overwrite: true"),
    ([*RUN, "device='cpu'", "--cfg", "job"], "device: cpu"),
    ([*RUN, "--info", "config"], ""),
    (["run", "solver=glob(pin*)", *CELL[1:], "--cfg", "job"], "name: pinv"),
    (["run", "solver=choice(pinv)", *CELL[1:], "--cfg", "job"], "name: pinv"),
    ([*DDRM, "solver.nfe=+5", "solver.eta=1", "--cfg", "job"], "nfe: 5"),
    ([*DDRM, "solver.eta=.5", "--cfg", "job"], "eta: 0.5"),
    ([*DDRM, "solver.eta=5e-1", "--cfg", "job"], "eta: 0.5"),
    ([*DDRM, "solver.eta=range(0.2,0.9,0.3)", "--cfg", "job"], "eta: 0.8"),
    ([*RUN, "task.noise=gaussian 0.1 [0,1]", "--cfg", "job"], "noise: gaussian 0.2 [-1,1]"),
    ([*RUN, "task.noise='gaussian 0.1 [0,1]','gaussian 0.3 [0,1]'", "--cfg", "job"], "noise: gaussian 0.6 [-1,1]"),
    (["run", "solver=dps", "task=sr4,inpaint", "benchmark=gmm", "--cfg", "job"], "box: 8"),
    (["run", "solver=dps", "task=sr4", "--cfg", "job"], "zeta: 1.0"),
    (["table", "--out", "./runs/", "--format", "csv"], "gmm2d,denoise"),
    (["table", "--out", "runs", "seed=0"], "pinv"),
    (["explain", "pinv-42c157df8bda", "--out", "runs"], "cell 42c157df8bda"),
]


def name_of(words: list[str]) -> str:
    """A short name for a command line, that pytest can print."""
    return ascii(" ".join(words).replace(" ".join(CELL), "CELL"))[1:60]


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with some records and a file, for all of this module."""
    folder, before = tmp_path_factory.mktemp("place"), Path.cwd()
    os.chdir(folder)
    Path("file.txt").write_text("")
    assert typed(RUN).exit_code == 0
    yield folder
    os.chdir(before)


def typed(words: list[str]) -> Result:
    return CliRunner().invoke(main, words)


def test_there_are_enough() -> None:
    assert len(BAD) >= 300
    assert len({tuple(words) for words in BAD}) == len(BAD)


@pytest.mark.slow
@pytest.mark.parametrize("words", BAD, ids=name_of)
def test_bad_input_is_reported_in_a_line(words: list[str]) -> None:
    result = typed(words)
    lines = result.output.splitlines()
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:], result.output
    assert "Traceback" not in result.output
    assert "HYDRA" not in result.output


@pytest.mark.parametrize(("words", "expected_text"), GOOD, ids=[name_of(words) for words, _ in GOOD])
def test_what_looks_like_it_is_taken(words: list[str], expected_text: str) -> None:
    result = typed(words)
    assert result.exit_code == 0, result.output
    assert "error:" not in result.output
    assert expected_text in result.output


ENCODINGS = ("cp1252", "latin-1", "ascii", "cp437", "utf-8", "iso8859-5")
PRINTING: list[list[str]] = [
    ["table", "--out", "runs"],
    ["table", "--paper", "1"],
    ["list"],
    ["info", "ddrm"],
    ["claims"],
    ["explain", "pinv-42c157df8bda", "--out", "runs"],
    [*RUN],
    ["compare", "runs", "runs"],
    ["table", "--out", "caf\udce9"],
]


def spawned(words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "invbench.cli", *words]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=300, **options)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("words", PRINTING, ids=name_of)
def test_output_is_written_in_any_encoding(words: list[str], encoding: str) -> None:
    there = {**os.environ, "PYTHONIOENCODING": encoding}
    wide, narrow = (spawned(words, stdout=subprocess.PIPE, env=env) for env in (dict(os.environ), there))
    assert narrow.returncode == wide.returncode
    assert len(narrow.stdout.decode(encoding).splitlines()) == len(wide.stdout.decode().splitlines())
    assert b"Traceback" not in narrow.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [*PRINTING[:-1], ["--help"], ["run", "--help"], ["--version"]], ids=name_of)
def test_output_that_cannot_be_written_is_reported_in_a_line(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = spawned(words, stdout=full)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 1
    assert lines[-1] == "error: cannot write the output: No space left on device"
    assert not any("Traceback" in line or "Exception" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("words", [["list"], ["table", "--out", "runs"], RUN], ids=name_of)
def test_a_closed_output_is_reported_in_a_line(words: list[str]) -> None:
    result = spawned(words, preexec_fn=lambda: os.close(1))
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        "error: standard output is closed; redirect it to a file or to /dev/null"
    ]
