"""Who may import what: the core knows no plugin, plugins use the public names only, and torch is loaded late."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from beside import CROSSING, ELSEWHERE, Beside
from command import called
from mutations import TESTS
from portable import LEFT_OUT
from structure import BRANCHES, LINES, House, public_names

import invbench

ROOT = Path(invbench.__file__).resolve().parent.parent
CORE = sorted((ROOT / "invbench").rglob("*.py"))
ROOMS = ("solvers", "tasks", "datasets", "invbench/priors", "invbench/metrics", "invbench/trackers")  # of our plugins
PLUGINS = sorted(path for folder in ROOMS for path in (ROOT / folder).rglob("*.py"))
# that plugins import
LIBRARIES = ("deepinv", "diffusers", "torch", "numpy", "PIL", "scipy", "lpips", "cleanfid", "wandb", "mlflow")
NETWORKS = ("invbench.priors.adm.unet",)  # may be as long as they are
HEAVY = ("torch", "pandas", "hydra", "matplotlib", "omegaconf", "rich", "requests", "skimage", "jinja2")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def loaded_by(code: str, cwd: Path) -> set[str]:
    """Modules in ``sys.modules`` after running ``code`` in a fresh interpreter."""
    tail = "\nimport sys\nprint('LOADED', *sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code + tail], cwd=cwd, capture_output=True, text=True, check=True)
    return set(result.stdout.rpartition("LOADED ")[2].split())


def after_command(words: list[str], cwd: Path) -> set[str]:
    code = f"""
from invbench.cli import main
try:
    main({words!r})
except SystemExit as end:
    assert not end.code, end.code
"""
    return loaded_by(code, cwd)


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each import as its module and the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which something was recorded."""
    folder = tmp_path_factory.mktemp("recorded")
    assert called(["run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=2"], folder).returncode == 0
    return folder


def test_importing_the_package_loads_nothing_heavy_and_no_plugin(tmp_path: Path) -> None:
    loaded = loaded_by("import invbench", tmp_path)
    assert "invbench" in loaded
    assert loaded.isdisjoint({*HEAVY, "numpy"})
    assert not [name for name in loaded if name.startswith("invbench_")]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["list"], ["run", "--help"], ["fetch"], ["info", "ddrm"]])
def test_commands_that_compute_nothing_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    loaded = after_command(words, tmp_path)
    assert "invbench.cli" in loaded
    assert loaded.isdisjoint({"torch", "pandas", "matplotlib"})


def test_help_loads_no_plugin(tmp_path: Path) -> None:
    loaded = after_command(["--help"], tmp_path)
    assert not [name for name in loaded if name.startswith("invbench_")]
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("how", ["text", "csv", "html"])
def test_a_table_needs_no_torch(recorded: Path, how: str) -> None:
    loaded = after_command(["table", "--format", how], recorded)
    assert "pandas" in loaded
    assert loaded.isdisjoint({"torch", "matplotlib", "hydra"})


def test_a_report_without_images_needs_no_torch(recorded: Path) -> None:
    loaded = after_command(["report", "--images", "0"], recorded)
    assert "jinja2" in loaded
    assert loaded.isdisjoint({"torch", "hydra"})


def test_public_names_are_sorted_unique_and_there() -> None:
    assert invbench.__all__ == sorted(set(invbench.__all__))
    for name in invbench.__all__:
        assert getattr(invbench, name) is not None
    with pytest.raises(AttributeError, match="attribute Slover"):
        invbench.Slover  # noqa: B018


def test_completion_shows_the_public_names() -> None:
    assert set(invbench.__all__) <= set(dir(invbench))


def test_every_public_name_is_used_by_a_plugin_or_in_the_docs() -> None:
    """Names for users who catch errors, too."""
    pages = [*ROOT.glob("docs/*.md"), ROOT / "README.md", *ROOT.glob("examples/**/*.py")]
    texts = {path: path.read_text() for path in (*PLUGINS, *pages)}
    homes = public_names(ROOT / "invbench" / "__init__.pyi")

    def used(name: str) -> bool:
        home = ROOT / (homes[name].replace(".", "/") + ".py")
        return any(re.search(rf"\b{name}\b", text) for path, text in texts.items() if path != home)

    assert [name for name in invbench.__all__ if not used(name)] == []


def test_layers_import_lower_ones_alone_and_nothing_imports_in_a_circle() -> None:
    house = House(ROOT)
    assert len(house.modules) > 80
    assert house.trespasses() == []
    assert house.circles() == []


def test_files_and_functions_are_short() -> None:
    house = House(ROOT)
    assert [f"{m.name} {m.lines}" for m in house.modules.values() if m.lines > LINES and m.name not in NETWORKS] == []
    assert [f"{name} {count}" for count, name in house.functions() if count > BRANCHES] == []
    tests = {path.name: path.read_text().count("\n") for path in (ROOT / "tests").rglob("*.py")}
    assert [f"{name} {lines}" for name, lines in tests.items() if lines > 400] == []


@pytest.mark.parametrize("layer", ["store", "analysis"])
def test_layers_that_read_records_never_import_torch(layer: str, tmp_path: Path) -> None:
    modules = [m.name for m in House(ROOT).modules.values() if m.layer == layer]
    assert "torch" not in loaded_by("\n".join(f"import {name}" for name in modules), tmp_path)
    lazily = {"reader", "writer"}  # to read and write reconstructions
    for path in (ROOT / "invbench" / layer).glob("*.py"):
        libraries = {module.partition(".")[0] for module, _ in imports(ast.parse(path.read_text()))}
        assert "torch" not in libraries or path.stem in lazily


def test_there_is_something_to_check() -> None:
    assert len(CORE) > 20
    assert len(PLUGINS) > 12


@pytest.mark.parametrize("path", PLUGINS, ids=name_of)
def test_a_plugin_imports_only_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for module, names in imports(tree):
        top = module.partition(".")[0]
        if module.startswith(_room(path)):
            continue  # a part of itself
        if top == "invbench":
            assert module == "invbench", f"imports {module}"
            assert set(names) <= set(invbench.__all__), f"imports {set(names) - set(invbench.__all__)}"
        elif module.startswith(".") and path.parent.parent.name in ("solvers", "tasks", "datasets"):
            assert not module.startswith(".."), f"a plugin in a folder imports from outside of it: {module}"
        else:
            assert top in {*LIBRARIES, *sys.stdlib_module_names}, f"imports {module}"


def _room(path: Path) -> str:
    """The package that a first-party prior or metric lies in; of others, which are a file or a folder each, none."""
    room = path.relative_to(ROOT).parts[:2]
    return ".".join(room) if room[0] == "invbench" else "-"


@pytest.mark.parametrize("path", PLUGINS, ids=name_of)
def test_a_plugin_uses_only_public_attributes(path: Path) -> None:
    tree = ast.parse(path.read_text())
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "invbench"
    }
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    }
    assert used <= set(invbench.__all__)


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_knows_no_plugin(path: Path) -> None:
    text = path.read_text()
    assert not [m for m, _ in imports(ast.parse(text)) if re.match(r"invbench_(solvers|tasks|datasets)", m)]
    assert "invbench_solvers" not in text
    assert "invbench_tasks" not in text
    assert "invbench_datasets" not in text


@pytest.mark.parametrize("path", [p for p in [*CORE, *PLUGINS] if p.name != "rng.py"], ids=name_of)
def test_generators_are_made_in_one_place(path: Path) -> None:
    """Draws name their generator or come from Rng; nothing seeds the process or moves to a fixed device."""
    faults = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg for keyword in node.keywords}
        if re.fullmatch(
            r"torch\.(cuda\.)?(manual_seed\w*|seed|Generator)|(np|numpy)\.random\.seed|random\.seed", called
        ):
            faults.append(called)
        if re.fullmatch(r"torch\.(rand|randn|randint|randperm|normal)(_like)?", called) and "generator" not in keywords:
            faults.append(called)
        if called.endswith(".cuda"):
            faults.append(called)
    assert faults == []


def disguised(node: ast.AST) -> bool:
    """Conditional expressions in each other, texts times conditions, and writes to frozen objects."""
    match node:
        case ast.IfExp():
            return any(isinstance(part, ast.IfExp) for part in (node.test, node.body, node.orelse))
        case ast.BinOp(op=ast.Mult()):
            return any(_is_text(side) for side in (node.left, node.right))
        case ast.Slice():
            return any(isinstance(end, ast.Compare | ast.BoolOp) for end in (node.lower, node.upper))
        case ast.Call():
            return ast.unparse(node.func) == "object.__setattr__"
    return False


def disguises(code: str) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(ast.parse(code)) if disguised(node)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=name_of)
def test_conditions_are_written_out(path: Path) -> None:
    assert disguises(path.read_text()) == []


@pytest.mark.parametrize(
    "code",
    ["a if b else c if d else e", "'s' * (n > 1)", "f'{x}' * bool(n)", "'s'[: n > 1]", "object.__setattr__(x, 'a', 1)"],
)
def test_a_condition_in_disguise_is_found(code: str) -> None:
    assert len(disguises(code)) == 1


@pytest.mark.parametrize("path", [p for p in [*CORE, *PLUGINS] if p.name != "device.py"], ids=name_of)
def test_a_device_is_chosen_in_one_place(path: Path) -> None:
    assert "cuda.is_available" not in path.read_text()


def test_files_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their name alone; benchmarks are collected by themselves."""
    files = [path.name for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "bench"]
    assert sorted(files) == sorted(set(files))


def test_every_module_has_a_file_of_tests_and_every_file_of_tests_its_module() -> None:
    found = Beside(ROOT, ELSEWHERE, CROSSING)
    assert len(found.modules) > 150
    assert found.faults() == []


def test_a_module_without_tests_and_a_file_of_tests_without_a_module_are_found(tmp_path: Path) -> None:
    modules = ("invbench/a.py", "invbench/part/b.py", "invbench/part/__init__.py", "solvers/c.py", "tasks/d.py")
    tests = ("test_a.py", "part/test_part_b.py", "part/test_lost.py", "solvers/test_e.py", "bench/test_speed.py")
    for name in (*modules, *(f"tests/{test}" for test in tests)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "invbench" / "other").mkdir()
    (tmp_path / "invbench" / "other" / "__init__.py").write_text("def f(): ...\n")
    elsewhere = {"tasks/d.py": "test_d.py", "invbench/a.py": "part/test_lost.py", "gone.py": "test_a.py"}
    assert Beside(tmp_path, elsewhere, {"solvers/test_f.py": "nothing"}).faults() == [
        "invbench/a.py has tests/test_a.py, and needs no line in ELSEWHERE",
        "invbench/other/__init__.py: expected tests/other/test_other.py",
        "solvers/c.py: expected tests/solvers/test_c.py",
        "tasks/d.py: tests/test_d.py, which ELSEWHERE names, does not exist",
        "gone.py, which ELSEWHERE names, does not exist",
        "tests/solvers/test_e.py is of no module",
        "tests/solvers/test_f.py, which CROSSING names, does not exist",
    ]


def test_tables_of_files_of_tests_name_those_that_there_are() -> None:
    stems = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(LEFT_OUT.split()) <= stems
    named = {f"tests/{name}" for names in TESTS.values() for name in names.split()}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    assert [name for name in TESTS if not (ROOT / f"invbench/{name}.py").is_file()] == []
