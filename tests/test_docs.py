"""The documentation does what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import click
import pytest
from command import called

import invbench
from invbench import hookspecs
from invbench.analysis.comparable import solver_of
from invbench.cli import main
from invbench.plugins import load_catalog
from invbench.store.files import MEAN
from invbench.store.reader import load_cells
from invbench.store.released import results_folder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "examples" / "invbench-onestep"


def block(language: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    assert len(blocks) == 1
    return blocks[0]


def test_the_plugin_of_the_readme_is_the_example_and_short() -> None:
    assert block("python") == (EXAMPLE / "invbench_onestep.py").read_text()
    assert block("toml") in (EXAMPLE / "pyproject.toml").read_text()
    code = [line for line in block("python").splitlines() if line.strip()]
    assert len(code) <= 30


@pytest.mark.long
def test_the_plugin_of_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "invbench_onestep.py").write_text(block("python"))
    info = tmp_path / "invbench_onestep-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: invbench-onestep\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        block("toml").replace("[project.entry-points.invbench]", "[invbench]").replace('"', "")
    )
    command = "run solver=onestep task=denoise n=4 batch_size=4 references=false"
    result = called(command.split(), tmp_path, site=tmp_path)
    assert result.returncode == 0, result.stderr
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("onestep ")]
    assert float(row[2]) > 25, "one call denoises 20 dB photographs to more than 25 dB"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_in_the_readme_and_has_help(command: str) -> None:
    assert f"invbench {command}" in README
    assert isinstance(main.commands[command], click.Command)
    assert main.commands[command].help


def test_every_hook_is_in_the_readme() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("invbench_register_")]
    assert len(hooks) == 7
    for hook in hooks:
        assert hook in README or f"`{hook.removeprefix('invbench_register')}`" in README


def test_every_plugin_says_what_it_is() -> None:
    for kind, plugins in load_catalog().plugins.items():
        for name, plugin in plugins.items():
            assert plugin.cls.__doc__, f"{kind} {name} has no docstring"
            assert plugin.cls.summary, f"{kind} {name} has no summary"


def test_every_public_name_is_documented() -> None:
    for name in invbench.__all__:
        thing = getattr(invbench, name)
        if callable(thing) and name not in ("hookimpl", "OnStep", "Part"):
            assert thing.__doc__, f"{name} has no docstring"


def test_links_of_the_readme_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), f"README links to {target}"


def test_the_changelog_names_every_solver_and_task() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    catalog = load_catalog()
    for name in [*catalog.plugins["solver"], *catalog.plugins["task"]]:
        assert f"`{name}`" in changelog


@pytest.mark.long
def test_the_pages_show_what_their_commands_print() -> None:
    update = runpy.run_path(str(ROOT / "docs" / "update.py"))
    assert update["run"](check=True) == 0


def test_the_posterior_table_of_the_readme_is_that_of_the_released_records() -> None:
    cells = {solver_of(c): c for c in load_cells(results_folder() / "reference", benchmark="gmm", task="sr4")}
    table = README.partition("mode weights off by |\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    assert len(rows) == 7
    for name, *printed in rows:
        frame = cells[name.strip("`").partition("`")[0]].frame
        mean = frame[frame["sample"] == MEAN].groupby("metric", observed=True)["value"].mean()
        pairs = [("swd", ".2f"), ("std", ".2f"), ("cover", ".3f")]
        both = [f"{mean[f'{score}_range']:{spec}} / {mean[f'{score}_null']:{spec}}" for score, spec in pairs]
        assert printed == [*both, f"{mean['modes']:.2f}"], name


def test_the_first_table_of_the_readme_is_that_of_the_released_records() -> None:
    cells = load_cells(results_folder() / "reference", benchmark="photos", task="sr4")
    table = README.partition("| NFE |\n")[2].partition("\n\n")[0]
    rows = [line.replace(" best", "").strip("| ").split(" | ") for line in table.splitlines()[1:]]
    assert len(rows) == 4
    metrics = ("psnr", "ssim", "lpips_alex", "haarpsi", "kid_alex", "consistency", "nfe_forward")
    recorded = []
    for cell in cells:
        means = {
            **cell.frame.groupby("metric", observed=True)["value"].mean(),
            **{s.metric: s.value for s in cell.sets},
        }
        specs = {"psnr": ".2f", "nfe_forward": ".0f"}
        recorded.append([solver_of(cell), *(f"{means[metric]:{specs.get(metric, '.3f')}}" for metric in metrics)])
    assert [row for row in [[name, *printed] for name, _, *printed in rows] if row not in recorded] == []


def test_the_schema_of_records_is_that_of_the_types_and_the_page_explains_each_field() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "schema.py"))
    assert (ROOT / "docs" / "records.schema.json").read_text() == written["text"](), "run python docs/schema.py"
    page = (ROOT / "docs" / "records.md").read_text()
    for name, form in written["schema"]()["$defs"].items():
        assert f"`{name}`" in page
        for key in form["properties"]:
            assert f"`{key}`" in page, f"{name}.{key}"
