"""The structure of the code: its layers, what they import of each other, circles, and the size of its parts.

    python tests/structure.py        # make structure
    python tests/structure.py ROOT   # of another checkout

A module's layer is its folder in ``invbench/``, or ``core`` where it lies at the top. Imports inside of functions
count, those for type checkers alone do not.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ALLOWED: Mapping[str, tuple[str, ...]] = {  # what a layer may import besides itself, lower ones first
    "core": (),
    "priors": ("core",),
    "metrics": ("core",),
    "trackers": ("core",),
    "store": ("core",),
    "analysis": ("core", "store"),
    "harness": ("core", "store", "analysis"),
    "testing": ("core", "priors", "store", "harness"),
    "paper": ("core", "store", "analysis"),
    "figures": ("core", "store", "analysis", "harness"),
    "report": ("core", "store", "analysis", "harness", "figures"),
    "adapters": ("core", "harness"),
    "api": ("core", "store", "analysis", "harness", "figures"),
    "cli": ("core", "priors", "store", "analysis", "harness", "testing", "paper", "figures", "report", "api"),
}
BRANCHES, LINES = 10, 300  # the most that a function, and a file, should have


@dataclass
class Module:
    """A file, and what it imports of ``invbench``, when it runs and for type checkers."""

    name: str
    text: str
    imports: set[str] = field(default_factory=set)

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        """How long it is."""
        return self.text.count("\n")

    @property
    def layer(self) -> str:
        """``core``, or the folder."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "core"


class House:
    """All modules of ``invbench``."""

    def __init__(self, root: Path) -> None:
        files = {path: _dotted(path, root) for path in sorted((root / "invbench").rglob("*.py"))}
        self.modules = {name: Module(name, path.read_text()) for path, name in files.items()}
        self.public = public_names(root / "invbench" / "__init__.pyi")
        for module in self.modules.values():
            module.imports = {self._home(each) for each in imported(module.tree)} - {module.name, "invbench"}

    def _home(self, name: str) -> str:
        """The module that defines a name."""
        head, _, tail = name.rpartition(".")
        if head == "invbench" and tail in self.public:
            return self.public[tail]
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return name or "invbench"

    def layers(self) -> dict[str, dict[str, int]]:
        """How often each layer imports each other."""
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for module in self.modules.values():
            for other in module.imports:
                if self.modules[other].layer != module.layer:
                    counts[module.layer][self.modules[other].layer] += 1
        return counts

    def trespasses(self) -> list[str]:
        """Imports of a layer that may not be imported."""
        return [
            f"{module.name} imports {other}"
            for module in self.modules.values()
            for other in sorted(module.imports)
            if (there := self.modules[other].layer) != module.layer and there not in ALLOWED[module.layer]
        ]

    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other in a circle."""
        reach = {name: self._reached(name) for name in self.modules}
        groups = {tuple(sorted(m for m in reach[name] if name in reach[m])) for name in self.modules}
        return [list(group) for group in sorted(groups) if len(group) > 1]

    def _reached(self, name: str) -> set[str]:
        visited: set[str] = set()
        todo = [name]
        while todo:
            for other in self.modules[todo.pop()].imports - visited:
                visited.add(other)
                todo.append(other)
        return visited

    def functions(self) -> Iterator[tuple[int, str]]:
        """Branches and name of each function."""
        for module in self.modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield branches(node), f"{module.name}.{node.name}"


def branches(function: ast.AST) -> int:
    """Ways through a function: 1, and 1 for each condition, loop, handler, and further operand of and/or."""
    count = 1
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.For | ast.While | ast.ExceptHandler | ast.IfExp | ast.match_case | ast.Assert):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
    return count


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported of ``invbench``, but for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "invbench")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "invbench":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported(node)


def public_names(stub: Path) -> dict[str, str]:
    """Each public name, and the module that defines it."""
    if not stub.exists():
        return {}
    relative = [n for n in ast.walk(ast.parse(stub.read_text())) if isinstance(n, ast.ImportFrom) and n.level == 1]
    return {alias.name: f"invbench.{node.module}" for node in relative for alias in node.names}


def _dotted(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def main() -> None:
    """Print the layers, and the figures."""
    house = House(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
    modules, layers = house.modules.values(), house.layers()
    for layer in ALLOWED:
        mine = [m for m in modules if m.layer == layer]
        lines = sum(m.lines for m in mine)
        below = ", ".join(f"{other} {count}" for other, count in sorted(layers[layer].items())) or "nothing"
        print(f"{layer:9} {len(mine):3} modules {lines:6} lines   imports {below}")
    circles = house.circles()
    long = {m.name: m.lines for m in modules if m.lines > LINES}
    many = sorted((f for f in house.functions() if f[0] > BRANCHES), reverse=True)
    top = sum(m.name.count(".") == 1 and m.layer == "core" for m in modules)
    print(f"\nmodules at the top of invbench/: {top}")
    print(f"circles: {len(circles)}" + "".join(f"\n  {' '.join(circle)}" for circle in circles))
    print("\n".join([f"imports against the layers: {len(house.trespasses())}", *house.trespasses()]))
    print(f"files over {LINES} lines: {len(long)}  " + ", ".join(f"{k} {v}" for k, v in sorted(long.items())))
    print(f"functions over {BRANCHES} branches: {len(many)}  " + ", ".join(f"{name} {n}" for n, name in many))
    print(f"Any in annotations and code: {sum(m.text.count('Any') - m.text.count('import Any') for m in modules)}")
    print(f"public names: {len(house.public)}")


if __name__ == "__main__":
    main()
