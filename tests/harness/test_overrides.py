"""Values that the user writes, and that Hydra must read as they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invbench.errors import ConfigError
from invbench.harness.checks import check_overrides
from invbench.harness.config import Choice
from invbench.harness.nodes import node_of
from invbench.harness.options import GROUPS, register
from invbench.harness.overrides import decoded, for_hydra, parts, read, split, unquoted, values
from invbench.harness.places import folder
from invbench.plugins import load_catalog

CATALOG = load_catalog()
ODD = [
    *(
        "a=b",
        "a{b}",
        "[x]",
        "{x}",
        "it's",
        'say "hi"',
        "%41",
        "%%41",
        "@x",
        "*",
        "?",
        "a$b",
        "${oc.env:HOME}",
        "${out}",
    ),
    *(
        "back\\slash",
        "tail\\",
        "new\nline",
        "tab\tx",
        "./~",
        "#hash",
        "-dash",
        "trail ",
        " lead",
        "漢字",
        "null",
        "true",
    ),
    *(
        "1e3",
        "0x10",
        "007",
        "choice",
        "a(b",
        "a)b",
        "a;b",
        "<b>",
        "a|b",
        "!!python/x",
        "a: b",
        "- x",
        "\\${x}",
        "a:b",
        "nan",
    ),
]


@dataclass(frozen=True)
class Fields:
    """One field of each type."""

    whole: int = 0
    real: float = 0.0
    switch: bool = False
    text: str = ""
    several: list[float] = field(default_factory=list)
    maybe: int | None = None


def parsed(key: str, text: str) -> Any:
    return read(node_of(Fields), key, text, key)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        *(("whole", "5", 5), ("whole", "+5", 5), ("whole", "-5", -5), ("whole", "007", 7), ("whole", "'5'", 5)),
        *(
            ("real", "5", 5.0),
            ("real", ".5", 0.5),
            ("real", "1e-3", 1e-3),
            ("real", "5.", 5.0),
            ("real", "-inf", float("-inf")),
        ),
        *(("switch", "true", True), ("switch", "No", False), ("switch", "1", True), ("switch", "off", False)),
        *(
            ("text", "0x10", "0x10"),
            ("text", "null", "null"),
            ("text", "'a b'", "a b"),
            ("text", "[", "["),
            ("text", "", ""),
        ),
        *(("several", "[1,2.5]", [1.0, 2.5]), ("several", "[]", []), ("maybe", "null", None), ("maybe", "3", 3)),
    ],
)
def test_a_text_is_read_by_the_type_of_its_field(key: str, text: str, value: Any) -> None:
    result = parsed(key, text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(
            ("whole", each)
            for each in ("0x10", "1_000", "1e1", "5.0", "true", "null", "\N{FULLWIDTH DIGIT ONE}", "[1]", "")
        ),
        *(
            ("real", each)
            for each in ("0x10", "1_0.5", "true", "null", "[1]", "", "1,5", "\N{ARABIC-INDIC DIGIT THREE}")
        ),
        *(("switch", each) for each in ("2", "maybe", "null", "[true]", "")),
        *(("several", each) for each in ("1", "[one]", "[", "{a: 1}", "[" * 5000, "!!python/object:os.system [1]")),
        *(("maybe", each) for each in ("none", "x", "[")),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: expected a value of type "):
        parsed(key, text)


@given(st.text(st.characters(exclude_characters="\0")) | st.sampled_from(ODD))
@example("caf\udce9")
def test_every_text_comes_back(text: str) -> None:
    encoded = for_hydra(text)
    assert encoded.isascii()
    assert decoded(unquoted(encoded)) == text


def composed(*overrides: str) -> Choice:
    ready = check_overrides(overrides, CATALOG)
    register(CATALOG)
    with initialize(version_base="1.3", config_path=None):
        config = compose("run", ready, return_hydra_config=True)
    return Choice.of({k: config.hydra.runtime.choices[k] for k in ("benchmark", *GROUPS)}, config, frozenset())


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12) | st.sampled_from(ODD))
def test_hydra_reads_any_folder_as_it_was_written(text: str) -> None:
    quoted = f"'{text}'"  # since commas part values, and quotes around a text are no part of it
    if parts(quoted) != [quoted]:
        return
    choice = composed("solver=pinv", "task=sr4", "dataset=folder", f"dataset.root={quoted}", f"out={quoted}")
    assert choice.config.dataset["root"] == text
    assert Path(choice.config.out) == folder(text)


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_any_name_needs_no_quotes(name: str) -> None:
    assert composed("solver=pinv", "task=sr4", "dataset=folder", f"dataset.root={name}").config.dataset["root"] == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ["a", "b"]),
        ("'a,b'", ["'a,b'"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("range(0,3)", ["0", "1", "2"]),
        ("range(0.2,0.9,0.3)", ["0.2", "0.5", "0.8"]),
        ("choice(a,'b,c')", ["a", "'b,c'"]),
        ("sort(3,1,2)", ["1", "2", "3"]),
        ("glob(p*)", ["pigdm", "pinv"]),
        ("glob([p*,d*],exclude=d*)", ["pigdm", "pinv"]),
        ("gaussian 0.1 [0,1]", ["gaussian 0.1 [0,1]"]),
        ("range", ["range"]),
    ],
)
def test_a_sweep_has_these_values(text: str, expected: list[str]) -> None:
    assert values("solver", text, ["pigdm", "pinv", "ddrm"]) == expected


def test_shuffled_values_are_all_there() -> None:
    assert sorted(values("seed", "shuffle(range(0,9))")) == [str(i) for i in range(9)]


@pytest.mark.parametrize(
    "text", ["range(0,1000000000)", "range(0,3,0)", "choice(", "choice()", "interval(0,1)", "glob(z*)"]
)
def test_a_sweep_without_values_is_refused(text: str) -> None:
    if text == "choice(":
        assert values("seed", text) == [text]  # no sweep; and no number either
        return
    with pytest.raises(ConfigError, match="seed|sweep|write the values"):
        values("seed", text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0", "seed=1"], "seed is given twice, as '0' and '1'; give it once"),
        (["seed"], "expected key=value, got 'seed'; for example: run a=b"),
        (["=1"], "expected key=value, got '=1'"),
        (["--seed=1"], "expected key=value, got '--seed=1'"),
        (["a=\0"], "a: expected a text without the character 0"),
    ],
)
def test_an_argument_that_is_not_key_value_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split(words, "run a=b")
    assert str(caught.value).startswith(message)


def test_a_run_writes_to_the_folder_that_was_named(invbench: Callable[..., Any], tmp_path: Path) -> None:
    words = ["solver=pinv", "benchmark=gmm2d", "task=denoise", "references=false", "n=1"]
    name = "a=b, ${oc.env:HOME} 'x' {y"
    result = invbench("run", *words, f'out="{name}"', "seed=0,1")
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / name).glob("gmm2d/denoise/*/run.json"))) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert "pinv" in invbench("table", "--out", name).stdout
