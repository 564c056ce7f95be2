"""Tests beside what they test: a folder for a folder, a file for a file; and what is elsewhere, with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

TOPS = ("invbench", "solvers", "tasks", "datasets")
NO_LAYERS = ("bench", "golden", "gpu", "robustness", "zoo")  # folders of tests: speed, records, GPUs, misfortune
KIT = "testing/test_conformance_kit.py"  # breaks each check of each kind by a plugin of tests/zoo
ELSEWHERE: Mapping[str, str] = {  # modules whose tests have another name: declarations, and parts of one thing
    "invbench/cli/__main__.py": "cli/test_scaffold.py",
    "invbench/cli/learn.py": "cli/test_train.py",
    "invbench/download.py": "robustness/test_downloads.py",
    "invbench/hookspecs.py": "test_plugins.py",
    "invbench/solver.py": "harness/test_solving.py",
    "invbench/store/released.py": "store/test_release.py",
    "invbench/tracker.py": "harness/test_tracking.py",
    "invbench/testing/data.py": KIT,
    "invbench/testing/metrics.py": KIT,
    "invbench/testing/plugins.py": KIT,
    "invbench/testing/solvers.py": KIT,
    "invbench/testing/tasks.py": KIT,
    "invbench/testing/test_conformance.py": KIT,
}
CROSSING: Mapping[str, str] = {  # tests of several modules together, or of what is no module
    "analysis/test_infinite.py": "infinite scores, through every command that reads",
    "cli/test_startup.py": "how soon commands answer",
    "cli/test_track.py": "trackers, through every command",
    "datasets/test_datasets.py": "what holds for every dataset",
    "harness/test_devices.py": "every solver and command on another device",
    "harness/test_precision.py": "the precision of priors, in runs and alone",
    "harness/test_presets.py": "sizes of presets, through every command",
    "metrics/test_set_coverage.py": "intervals of every score of sets",
    "report/test_screens.py": "the page, as browsers show it",
    "solvers/test_all_solvers.py": "what holds for every solver",
    "solvers/test_references.py": "the references of the tests of solvers",
    "solvers/test_solver_limits.py": "limits of several solvers in common",
    "solvers/test_synchronisation.py": "every solver waits for no device",
    "tasks/test_nonlinear.py": "what holds for both nonlinear tasks",
    "tasks/test_tasks.py": "what holds for every task",
    "test_boundaries.py": "the structure of the code",
    "test_complex.py": "complex measurements, from noise to records",
    "test_docs.py": "README, changelog and docs",
    "test_docs_commands.py": "commands of README and docs",
    "test_docs_figures.py": "scripts of docs/figures",
    "test_docs_ilvr.py": "a solver of the docs",
    "test_docs_own.py": "docs/own.md",
    "test_docs_plugins.py": "docs/plugins.md",
    "test_docs_python.py": "docs/python.md",
    "test_example_daps.py": "an example",
    "test_examples.py": "examples",
    "test_notebooks.py": "notebooks",
    "test_packaging.py": "the wheel",
    "test_regression.py": "golden records, and the workflow of third parties",
    "test_reproduce.py": "results/reproduce.sh",
    "test_site.py": "the documentation as a site",
}


class Beside:
    """The modules of a checkout, its files of tests, and the two tables of exceptions."""

    def __init__(self, root: Path, elsewhere: Mapping[str, str], crossing: Mapping[str, str]) -> None:
        self.elsewhere, self.crossing = elsewhere, crossing
        paths = [path for top in TOPS for path in sorted((root / top).rglob("*.py"))]
        self.modules = [path.relative_to(root) for path in paths if path.name != "__init__.py" or _works(path)]
        files = (path.relative_to(root / "tests") for path in sorted((root / "tests").rglob("test_*.py")))
        self.tests = {path.as_posix() for path in files if path.parts[0] not in NO_LAYERS}
        self.all_tests = {path.relative_to(root / "tests").as_posix() for path in (root / "tests").rglob("test_*.py")}

    def faults(self) -> list[str]:
        """What is not beside what it tests, and lines of the tables that are not true."""
        names = {module.as_posix() for module in self.modules}
        own = {test for module in self.modules for test in homes(module)}
        strangers = self.tests - own - self.crossing.keys() - set(self.elsewhere.values())
        return [
            *(fault for module in self.modules for fault in self._of(module)),
            *(f"{name}, which ELSEWHERE names, does not exist" for name in self.elsewhere if name not in names),
            *(f"tests/{test} is of no module" for test in sorted(strangers)),
            *(
                f"tests/{test}, which CROSSING names, does not exist"
                for test in self.crossing
                if test not in self.tests
            ),
        ]

    def _of(self, module: Path) -> Iterator[str]:
        name, own = module.as_posix(), [test for test in homes(module) if test in self.tests]
        there = self.elsewhere.get(name)
        if there is None and not own:
            yield f"{name}: expected tests/{homes(module)[0]}"
        elif there is not None and own:
            yield f"{name} has tests/{own[0]}, and needs no line in ELSEWHERE"
        elif there is not None and there not in self.all_tests:
            yield f"{name}: tests/{there}, which ELSEWHERE names, does not exist"


def homes(module: Path) -> list[str]:
    """Where a module's tests may lie: a file of its name or, as others may have that, of its folder's and its own."""
    folder = module.parent.relative_to("invbench") if module.parts[0] == "invbench" else module.parent
    if module.stem == "__init__":
        return [(folder / f"test_{folder.name}.py").as_posix()]
    names = [module.stem, f"{folder.name}_{module.stem}"] if folder.name else [module.stem]
    return [(folder / f"test_{name}.py").as_posix() for name in names]


def _works(init: Path) -> bool:
    """Whether the file of a package defines a function."""
    return any(isinstance(node, ast.FunctionDef) for node in ast.parse(init.read_text()).body)
