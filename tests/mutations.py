"""Mutations: one small fault at a time in the modules that keep books, and whether their tests see it.

    python tests/mutations.py                      # make mutations: forty of them
    python tests/mutations.py --only cells,stats   # of these modules
    python tests/mutations.py --count 10 --seed 7

A fault is put into a copy of the tree, and the test files named below for its module are run on it, the first failure
ending them. What survives is printed as a difference; it is a missing test, or a change that changes nothing. The exit
status is 1 where one survived.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREE = ("invbench", "solvers", "tasks", "datasets", "results", "examples", "tests", "pyproject.toml")
RUN = "harness/test_runner.py harness/test_solving.py harness/test_resume.py"
STORE = "store/test_files.py store/test_jsonfiles.py store/test_reader.py store/test_writer.py"
CLAIMS = "paper/test_verdicts.py paper/test_evidence.py paper/test_claims.py"
TESTS = {  # besides the module's own file, fast ones first
    "analysis/comparable": "analysis/test_tables.py paper/test_proxy.py",
    "analysis/compare": "analysis/test_seeds.py test_regression.py",
    "analysis/pairs": "analysis/test_compare.py harness/test_rescore.py",
    "analysis/versus": "analysis/test_compare.py",
    "harness/resume": "harness/test_runner.py analysis/test_seeds.py",
    "analysis/significance": "analysis/test_tables.py",
    "paper/verdicts": CLAIMS,
    "store/files": f"{STORE} {RUN}",
    "store/reader": f"{STORE} store/test_release.py {RUN}",
    "store/writer": f"{STORE} store/test_release.py {RUN}",
    "store/release": f"{CLAIMS} paper/test_proxy.py",
    "harness/runner": f"{RUN} analysis/test_seeds.py",
    "harness/scoring": f"harness/test_rescore.py {RUN}",
    "analysis/stats": "analysis/test_seeds.py",
    "analysis/tables": "analysis/test_significance.py harness/test_rescore.py cli/test_compute.py",
    "analysis/columns": "analysis/test_tables.py analysis/test_significance.py",
    "analysis/group": "analysis/test_tables.py analysis/test_comparable.py harness/test_rescore.py",
    "analysis/long_table": "analysis/test_tables.py",
    "analysis/notes": "analysis/test_tables.py analysis/test_significance.py harness/test_rescore.py",
    "analysis/rows": "analysis/test_tables.py analysis/test_significance.py analysis/test_digits.py",
    "analysis/sample_tables": "analysis/test_tables.py harness/test_rescore.py",
}
QUICK = "not slow and not long"  # the tests of make test
SECONDS = 600  # of the tests of one mutation; a mutation that hangs is seen

COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutation:
    """A module, the line that is changed, and its text with and without the change."""

    module: str
    line: int
    before: str
    after: str

    def difference(self) -> str:
        """The change as lines with - and +."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=1)
        return "\n".join(f"    {line}" for line in list(lines)[3:])


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Faulty versions of a node: a comparison, an operation, a name, a constant, a negation, an argument's place."""
    other = copy.deepcopy(node)
    if isinstance(other, ast.Compare) and type(other.ops[0]) in COMPARE:
        other.ops[0] = COMPARE[type(other.ops[0])]()
    elif isinstance(other, ast.BinOp | ast.AugAssign) and type(other.op) in ARITHMETIC:
        other.op = ARITHMETIC[type(other.op)]()
    elif isinstance(other, ast.BoolOp):
        other.op = ast.Or() if isinstance(other.op, ast.And) else ast.And()
    elif isinstance(other, ast.Name) and other.id in NAMES and isinstance(other.ctx, ast.Load):
        other.id = NAMES[other.id]
    elif isinstance(other, ast.UnaryOp) and isinstance(other.op, ast.Not | ast.USub):
        other = other.operand
    elif isinstance(other, ast.Constant) and isinstance(other.value, int | float):
        other.value = not other.value if isinstance(other.value, bool) else other.value + 1
    elif isinstance(other, ast.IfExp | ast.If):
        other.test = ast.UnaryOp(ast.Not(), other.test)
    elif isinstance(other, ast.Call) and len(other.args) > 1 and getattr(other.func, "id", "") not in NAMES:
        other.args[:2] = other.args[1::-1]
    elif isinstance(other, ast.Expr | ast.Assign | ast.Raise) and not _is_text(other):
        other = ast.Pass()
    else:
        return
    yield other


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Put(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, or what replaces it."""
        return self.new if node is self.old else self.generic_visit(node)


def places(tree: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """What can be changed in a module's functions, and into what; none of annotations or texts of messages."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    ignored = {id(n) for f in ast.walk(tree) if isinstance(f, ast.JoinedStr | ast.arg) for n in ast.walk(f)}
    ignored |= {id(n) for f in functions if f.returns for n in ast.walk(f.returns)}
    ignored |= {id(k.value) for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg == "strict"}  # of zip
    nodes = {id(n): n for f in functions for part in f.body for n in ast.walk(part)}
    return [(node, new) for node in nodes.values() if id(node) not in ignored for new in changes(node)]


def mutations(module: str, count: int, rng: random.Random) -> list[Mutation]:
    """Some mutations of a module, by chance."""
    tree = ast.parse((ROOT / "invbench" / f"{module}.py").read_text())
    nodes, before = places(tree), ast.unparse(tree)
    rng.shuffle(nodes)
    texts = [(old, ast.unparse(_Put(old, new).visit(copy_but(tree, old)))) for old, new in nodes[:count]]
    return [Mutation(module, getattr(old, "lineno", 0), before, after) for old, after in texts if after != before]


def copy_but(tree: ast.AST, node: ast.AST) -> ast.AST:
    """A deep copy of the tree in which one node is the same object."""
    return copy.deepcopy(tree, {id(node): node})


def sampled(modules: Sequence[str], count: int, seed: int) -> list[Mutation]:
    """As many from each module, in turn."""
    rng = random.Random(seed)
    each = [mutations(module, -(-count // len(modules)), rng) for module in modules]
    turns = [m for turn in zip_longest(*each) for m in turn if m is not None]
    return turns[:count]


def survives(mutation: Mutation, tree: Path) -> bool:
    """Whether the module's tests pass with the fault in the copy of the tree."""
    path = tree / "invbench" / f"{mutation.module}.py"
    original = path.read_text()
    path.write_text(mutation.after)
    folder, _, name = mutation.module.partition("/")
    names = dict.fromkeys([f"{folder}/test_{name}.py", *TESTS[mutation.module].split()])
    files = [f"tests/{each}" for each in names]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", QUICK, str(path.relative_to(tree)), *files]
    try:
        return _status(command, tree) == 0
    finally:
        path.write_text(original)


def _status(command: Sequence[str], tree: Path) -> int:
    """The exit status of tests on the copy; 1 where they take too long."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tree), str(tree / ".names"))), "OMP_NUM_THREADS": "1"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        return subprocess.run(command, cwd=tree, env=env, capture_output=True, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        return 1


def copied(to: Path) -> Path:
    """A copy of the tree in which plugins are found, too."""
    names = to / ".names"
    names.mkdir()
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "runs"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, to / name)
    for name in ("solvers", "tasks", "datasets", "results"):
        (names / f"invbench_{name}").symlink_to(to / name)
    return to


def main() -> int:
    """Try some mutations, print what survived, and how many were seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(TESTS), help="modules, with commas between")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    todo, survived = sampled(options.only.split(","), options.count, options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for mutation in todo:
            begin = time.monotonic()
            alive = survives(mutation, tree)
            survived += alive
            word, seconds = "SURVIVED" if alive else "seen", time.monotonic() - begin
            print(f"{word:8} invbench/{mutation.module}.py:{mutation.line} ({seconds:.0f} s)", flush=True)
            print(mutation.difference(), flush=True)
    print(f"{len(todo) - survived} of {len(todo)} mutations were seen, {survived} survived")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
