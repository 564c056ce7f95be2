"""What 'invbench new' starts, a plugin of each kind: short, installed from its wheel, tested by its tests, and used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import called

from invbench import plugin
from invbench.cli.scaffold import KINDS, new_plugin
from invbench.errors import ConfigError, StoreError
from invbench.plugins import load_catalog

CATALOG = load_catalog()
MOST = {"solver": 24, "task": 12, "dataset": 12, "prior": 8, "metric": 10}  # lines of code
DATA = {  # what the wheel holds beside the module
    "solver": "solver.toml",
    "task": "kernel.npy",
    "dataset": "test/disc-00.png tune/disc-15.png",
    "prior": "network.py weights.safetensors",
    "metric": "",
}
USES = {  # a command of each, and what its table says
    "solver": ("run solver=mine benchmark=gmm task=denoise n=2", r"^mine +2 "),
    "task": ("run solver=pinv task=mine n=2", r"photos v2 \| mine .*\npinv|^pinv +2 "),
    "dataset": ("run solver=pinv task=denoise dataset=mine n=2", r"dataset mine \(split=test\)"),
    "prior": ("run solver=ddrm solver.nfe=2 task=denoise prior=mine n=2", r"prior mine "),
    "metric": ("run solver=pinv benchmark=gmm task=denoise n=2", r" mine ↓ "),
}


def lines_of_code(path: Path) -> int:
    """Lines of a module but for imports, docstrings, comments and blank ones; decorators and the hook count."""
    tree, text = ast.parse(path.read_text()), path.read_text().splitlines()
    left_out: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or 0) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in left_out
        for number, line in enumerate(text, 1)
    )


def test_what_counts_as_a_line_of_code(tmp_path: Path) -> None:
    path = tmp_path / "counted.py"
    path.write_text(
        '"""Not\nthis."""\n\nimport os\nfrom x import (\n    a,\n)\n\n\n# nor this\n@a\ndef f():\n    return 1\n'
    )
    assert lines_of_code(path) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_short_and_whole(kind: str, tmp_path: Path) -> None:
    told = new_plugin(kind, "my_own", tmp_path, CATALOG)
    folder = tmp_path / "invbench-my-own"
    module = folder / "invbench_my_own" / f"{kind}.py"
    assert told.startswith(f"{module} holds the {kind}. Next:")
    assert lines_of_code(module) <= MOST[kind]
    written = [path for path in folder.rglob("*") if path.suffix in (".py", ".md", ".toml")]
    assert not [path for path in written if "$" in path.read_text()]
    assert f'{kind}_my_own = "invbench_my_own.{kind}"' in (folder / "pyproject.toml").read_text()
    readme = (folder / "README.md").read_text()
    assert all(
        command.replace("$name", "my_own") in readme for command in ("invbench check $name", *KINDS[kind].commands)
    )
    listed = re.findall(r"`invbench_my_own/(.*?)`", readme)
    assert all((folder / "invbench_my_own" / file).exists() for file in listed)
    assert {file.partition("/")[0] for file in DATA[kind].split()} <= {file.rstrip("/") for file in listed}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_installed_tested_and_used(kind: str, tmp_path: Path) -> None:
    site, env = tmp_path / "site", {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def python(*words: str) -> str:
        ran = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    python("invbench.cli", "new", kind, "mine")
    how = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--target", str(site)]
    python("pip", "install", *how, "./invbench-mine")
    assert all((site / "invbench_mine" / file).is_file() for file in DATA[kind].split())
    assert " passed" in python("pytest", "-q", "-p", "no:cacheprovider", "invbench-mine")
    command, row = USES[kind]
    assert re.search(row, python("invbench.cli", *command.split(), "references=false"), re.M)


def test_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for name in ("My-Solver", "2x", "mine_", "", "ünique", "a" * 65):
        with pytest.raises(ConfigError, match="expected a name of small letters, digits and _, such as my_solver"):
            new_plugin("solver", name, tmp_path, CATALOG)
    with pytest.raises(ConfigError, match="solver=null would be read as a value"):
        new_plugin("solver", "null", tmp_path, CATALOG)
    with pytest.raises(ConfigError, match="invbench has a solver 'ddrm' already"):
        new_plugin("solver", "ddrm", tmp_path, CATALOG)
    with pytest.raises(ConfigError, match="a package invbench_solvers is installed already"):
        new_plugin("task", "solvers", tmp_path, CATALOG)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    new_plugin("metric", "mine", tmp_path, CATALOG)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(StoreError, match="invbench-mine exists already"):
        new_plugin("dataset", "mine", tmp_path, CATALOG)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write .*: Not a directory"):
        new_plugin("dataset", "other", tmp_path / "file", CATALOG)


def test_another_kind_is_told_in_a_line(tmp_path: Path) -> None:
    result = called(["new", "solvr", "x"], tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown kind of plugin 'solvr'; did you mean 'solver'?")
    assert result.stderr.count("\n") == 1


def test_a_module_prior_is_public_to_start_from() -> None:
    import invbench

    assert invbench.ModulePrior is plugin("prior", "module")
