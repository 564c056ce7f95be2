"""Studies from files: what they expand to, and that the command line comes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called

from invbench.errors import ConfigError
from invbench.harness.experiments import expanded

ROOT = Path(__file__).parents[2]
STUDY = """
# @package _global_
defaults:
  - _self_
  - override /solver: ddrm
task: [sr4, denoise]
solver.nfe: 2
task_noise: kept as it is
dataset: {split: tune}
references: false
n: 1
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(STUDY.replace("task_noise: kept as it is\n", ""))
    return tmp_path


def test_options_lists_and_defaults_become_words(conf: Path) -> None:
    folder = str(conf / "conf")
    own = ["solver=ddrm", "task=sr4,denoise", "solver.nfe=2", "dataset.split=tune", "references=false", "n=1"]
    for flags in (["--config-dir", folder], [f"--config-dir={folder}"]):
        assert expanded([*flags, "+experiment=mine"]) == own
        assert expanded([*flags, "+experiment=mine", "n=3", "task=deblur"]) == [
            *(word for word in own if not word.startswith(("n=", "task="))),
            "n=3",
            "task=deblur",
        ]
    assert expanded([f"+experiment={conf / 'conf' / 'experiment' / 'mine.yaml'}"]) == own
    assert expanded(["solver=ddrm", "task=sr4"]) == ["solver=ddrm", "task=sr4"]


def test_a_configuration_is_named_as_hydra_names_it(conf: Path) -> None:
    (conf / "conf" / "base.yaml").write_text("solver: ddrm\ntask: denoise\nn: 4\n")
    folder = str(conf / "conf")
    own = ["solver=ddrm", "task=denoise", "n=2"]
    assert expanded(["--config-dir", folder, "--config-name", "base", "n=2"]) == [*own[:2], "n=2"]
    assert expanded([f"-cd={folder}", "-cn=base.yaml", "n=2"]) == own
    both = expanded([f"--config-dir={folder}", "--config-name=base", "+experiment=mine"])
    assert {"solver=ddrm", "task=sr4,denoise", "n=1"} < set(both), "the experiment's"
    with pytest.raises(ConfigError, match=r"no .*/bse.yaml: unknown configuration 'bse'; did you mean 'base'"):
        expanded(["--config-dir", folder, "--config-name", "bse"])


def test_a_study_runs(conf: Path) -> None:
    ran = called(["run", "+experiment=mine", "out=out"], conf)
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.parent.name for path in conf.glob("out/photos/*/ddrm-*")) == ["denoise", "sr4"]
    shown = called(["run", "--cfg", "job", "+experiment=mine"], conf)
    assert "nfe: 2" in shown.stdout


def test_the_example_is_a_study_of_fifteen_cells(tmp_path: Path) -> None:
    words = ["--config-dir", str(ROOT / "examples" / "conf"), "+experiment=few_calls"]
    shown = called(["run", "--cfg", "job", *words], tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("settings: lpips_alex") == 15


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        (["+experiment=nine"], "n: 1", "unknown experiment 'nine'; did you mean 'mine'"),
        (["+experiment=mine"], "- 1", "expected options, as 'solver: .*'; got a list"),
        (["+experiment=mine"], "a: [", "mine.yaml cannot be read: while parsing"),
        (["--config-dir", "conf"], "n: 1", "--config-dir is the folder of experiments; name one"),
        (["+experiment=mine", "experiment=mine"], "n: 1", "is given twice, as 'mine' and 'mine'"),
    ],
)
def test_what_is_no_study_is_said(
    conf: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], content: str, message: str
) -> None:
    monkeypatch.chdir(conf)
    (conf / "conf" / "experiment" / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        expanded(words)
