"""Discovery: good plugins load, bad ones become a row with a reason, and nobody is taken down."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest
from command import Result, called

from invbench.declarations import KINDS
from invbench.errors import PluginError
from invbench.plugins import GROUP, Catalog, build_catalog, load_catalog
from invbench.store.reader import load_cells

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Any, ClassVar
from invbench import Benchmark, Dataset, Problem, Rng, Shape, Solver, Task, hookimpl
"""
SOLVER = """
@dataclass(frozen=True)
class {cls}(Solver):
    name: ClassVar[str] = "{name}"
    summary: ClassVar[str] = "a solver of a third party"
    gain: float = 1.0

    def solve(self, y, problem, prior, state, rng, on_step=None):
        {body}
"""
HOOK = """
@hookimpl
def invbench_register_{kind}s() -> list[type[Any]]:
    return [{classes}]
"""


def solver_source(name: str, cls: str = "Theirs", body: str = "return self.gain * y") -> str:
    return SOLVER.format(cls=cls, name=name, body=body)


def hook(classes: str, kind: str = "solver") -> str:
    return HOOK.format(kind=kind, classes=classes)


GOOD = HEAD + solver_source("good") + hook("Theirs")
Offer = Callable[..., EntryPoint]


class Theirs(Distribution):
    """An installed distribution without files."""

    def __init__(self, name: str, version: str) -> None:
        self.text = f"Name: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self.text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return Path(path)


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """``offer(name, source, dist)``: an entry point of a distribution whose module has this source."""
    monkeypatch.syspath_prepend(tmp_path)
    sources: list[str] = []

    def make(name: str, source: str, dist: str = "their-dist", version: str = "1.2") -> EntryPoint:
        module = f"plugin_{tmp_path.name}_{len(sources)}"
        sources.append(module)
        (tmp_path / f"{module}.py").write_text(source)
        entry_point = EntryPoint(name, module, GROUP)
        object.__setattr__(entry_point, "dist", Theirs(dist, version))
        return entry_point

    return make


def assert_broken(catalog: Catalog, name: str, *reason: str) -> None:
    """``name`` is the only broken row, and its reason holds these words."""
    (row,) = catalog.broken
    assert row.name == name
    for words in reason:
        assert words in row.reason


def test_every_first_party_plugin_loads() -> None:
    ours = [e for e in importlib.metadata.entry_points(group=GROUP) if e.dist and e.dist.name == "invbench"]
    catalog = build_catalog(ours)
    assert catalog.broken == []
    assert len(ours) >= 19
    assert {"pinv", "bicubic", "wiener", "ddrm", "oracle"} <= set(catalog.plugins["solver"])
    assert {"denoise", "inpaint", "sr4", "deblur", "colorize", "cs4"} <= set(catalog.plugins["task"])
    assert {"photos", "folder", "gmm", "gmm2d", "ffhq256", "imagenet256"} <= set(catalog.plugins["dataset"])
    assert {"adm_photos", "gmm", "gmm2d"} <= set(catalog.plugins["prior"])
    assert {"psnr", "ssim", "consistency"} <= set(catalog.plugins["metric"])
    assert {"photos", "gmm", "gmm2d", "ffhq256", "imagenet256"} == set(catalog.benchmarks)


def test_every_plugin_has_a_summary_and_its_own_name() -> None:
    catalog = load_catalog()
    for kind in KINDS:
        for name, plugin in catalog.plugins[kind].items():
            assert plugin.name == plugin.cls.name == name
            assert plugin.cls.summary, f"{kind} {name} has no summary"


def test_a_plugin_is_found_with_its_distribution(offer: Offer) -> None:
    catalog = build_catalog([offer("their_solver", GOOD)])
    plugin = catalog.plugin("solver", "good")
    assert (plugin.kind, plugin.name, plugin.distribution, plugin.version) == ("solver", "good", "their-dist", "1.2")
    assert catalog.get("solver", "good") is plugin.cls
    assert plugin.cls().gain == 1.0
    assert catalog.broken == []


def test_an_entry_point_without_a_distribution_loads(offer: Offer) -> None:
    entry_point = offer("their_solver", GOOD)
    plugin = build_catalog([EntryPoint(entry_point.name, entry_point.value, GROUP)]).plugin("solver", "good")
    assert plugin.distribution == "(no distribution)"


def test_a_module_may_offer_several_kinds(offer: Offer) -> None:
    task = """
@dataclass(frozen=True)
class TheirTask(Task):
    name: ClassVar[str] = "their_task"

    def operator(self, x_shape: Shape, rng: Rng) -> Any:
        raise NotImplementedError
"""
    catalog = build_catalog([offer("theirs", GOOD + task + hook("TheirTask", "task"))])
    assert catalog.broken == []
    assert catalog.get("solver", "good").__module__ == catalog.get("task", "their_task").__module__


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_package_that_is_absent", "ModuleNotFoundError: No module named 'a_package_that_is_absent'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError"),
        ("raise ImportError('first line\\nsecond line')", "ImportError: first line"),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        (HEAD + "@hookimpl\ndef invbench_register_solvers():\n    raise KeyError('weights')", "KeyError: 'weights'"),
        (HEAD + "@hookimpl\ndef invbench_register_solvers():\n    pass", "TypeError"),
        (GOOD.replace("invbench_register_solvers", "invbench_register_solver"), "invbench_register_solver"),
        (GOOD.replace("invbench_register_solvers()", "invbench_register_solvers(catalog)"), "catalog"),
        (HEAD + hook("int"), "expected a subclass of invbench.Solver for a solver; got <class 'int'>"),
        (HEAD + hook("3"), "expected a subclass of invbench.Solver for a solver; got 3"),
        (GOOD.replace("register_solvers", "register_tasks"), "expected a subclass of invbench.Task for a task"),
        (GOOD.replace("def solve", "def solves"), "solver Theirs does not define: solve"),
        (GOOD.replace('name: ClassVar[str] = "good"', ""), "solver Theirs needs a class attribute 'name'"),
        (GOOD.replace('str] = "good"', "int] = 3"), "solver Theirs needs a class attribute 'name'"),
        (GOOD.replace("@dataclass(frozen=True)", ""), "solver Theirs must be a frozen dataclass"),
        (GOOD.replace("(frozen=True)", ""), "solver Theirs must be a frozen dataclass"),
    ],
)
def test_a_broken_plugin_is_a_row_with_its_reason(offer: Offer, source: str, reason: str) -> None:
    catalog = build_catalog([offer("bad_solver", source, "bad-dist"), offer("their_solver", GOOD)])
    assert_broken(catalog, "bad_solver", reason)
    assert (catalog.broken[0].kind, catalog.broken[0].distribution) == ("entry point", "bad-dist")
    assert "\n" not in catalog.broken[0].reason
    assert list(catalog.plugins["solver"]) == ["good"]


def test_no_class_of_a_broken_plugin_is_used(offer: Offer) -> None:
    source = HEAD + solver_source("first", "First") + hook("First, int")
    assert build_catalog([offer("half", source)]).plugins["solver"] == {}


def test_a_broken_plugin_is_an_error_when_it_is_asked_for(offer: Offer) -> None:
    catalog = build_catalog([offer("bad", "1 / 0", "bad-dist"), offer("their_solver", GOOD)])
    with pytest.raises(PluginError, match="solver 'bad' of bad-dist cannot be used: ZeroDivisionError"):
        catalog.get("solver", "bad")


def test_an_unknown_name_suggests_and_mentions_what_did_not_load(offer: Offer) -> None:
    catalog = build_catalog([offer("bad", "1 / 0", "bad-dist"), offer("their_solver", GOOD)])
    with pytest.raises(PluginError) as caught:
        catalog.get("solver", "goood")
    assert "unknown solver 'goood'; did you mean 'good'? Available: good" in str(caught.value)
    assert "Not loaded: bad of bad-dist (ZeroDivisionError: division by zero)" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("gain: float = 1.0", "gain: float", "option gain needs a default"),
        ("gain: float = 1.0", "gain = 1.0", "gain = 1.0 has no annotation; write gain: float for an option"),
        ('name: ClassVar[str] = "good"', 'name: str = "good"', "name is not an option; write name: ClassVar[str] ="),
        ("state, rng, on_step=None", "state", "expected solve(self, y, problem, prior, state, rng, on_step=None); got"),
        ("invbench_register_solvers", "invbench_register_solver", "the hooks are invbench_register_solvers, invbench"),
    ],
)
def test_mistakes_of_an_author_are_reported_when_the_plugin_is_loaded(
    offer: Offer, old: str, new: str, reason: str
) -> None:
    assert old in GOOD
    assert_broken(build_catalog([offer("solver_good", GOOD.replace(old, new))]), "solver_good", reason)


def test_an_undecorated_subclass_is_refused_with_what_it_lacks(offer: Offer) -> None:
    source = GOOD.replace("@dataclass(frozen=True)\n", "", 1)
    assert_broken(build_catalog([offer("solver_good", source)]), "solver_good", "must be a frozen dataclass")
    task = HEAD + "from invbench_tasks.denoise import Denoise\nclass T(Denoise):\n    name = 't'\n" + hook("T", "task")
    assert_broken(build_catalog([offer("task_t", task)]), "task_t", "must be a frozen dataclass")


def test_a_broken_entry_point_gives_its_reason_to_who_asks_for_its_plugin(offer: Offer) -> None:
    catalog = build_catalog([offer("solver_bad", "1 / 0", "bad-dist")])
    with pytest.raises(PluginError, match="solver 'bad' of bad-dist cannot be used: ZeroDivisionError"):
        catalog.get("solver", "bad")


def test_an_unknown_benchmark_suggests() -> None:
    with pytest.raises(PluginError, match="unknown benchmark 'photo'; did you mean 'photos'"):
        load_catalog().benchmark("photo")


def test_one_entry_point_name_of_two_distributions_is_refused(offer: Offer) -> None:
    twice = [offer("theirs", GOOD, "dist-a"), offer("theirs", HEAD + solver_source("b") + hook("Theirs"), "dist-b")]
    catalog = build_catalog([*twice, offer("alone", HEAD + solver_source("c") + hook("Theirs"))])
    assert_broken(catalog, "theirs", "entry point 'theirs' is offered by dist-a and dist-b; uninstall one")
    assert list(catalog.plugins["solver"]) == ["c"]


def test_one_class_name_of_two_distributions_is_refused(offer: Offer) -> None:
    catalog = build_catalog([offer("one", GOOD, "dist-a"), offer("two", GOOD, "dist-b")])
    assert_broken(catalog, "good", "offered twice")
    assert catalog.plugins["solver"] == {}
    with pytest.raises(PluginError, match=r"solver 'good' of dist-a \(.*\) and dist-b \(.*\) cannot be used"):
        catalog.get("solver", "good")


def test_one_name_of_two_kinds_is_fine(offer: Offer) -> None:
    source = HEAD + solver_source("photos") + hook("Theirs")
    catalog = build_catalog([*importlib.metadata.entry_points(group=GROUP), offer("their_solver", source)])
    assert catalog.broken == []
    assert catalog.get("solver", "photos") is not catalog.get("dataset", "photos")


DATASET = """
@dataclass(frozen=True)
class TheirData(Dataset):
    name: ClassVar[str] = "their_data"
    benchmark: ClassVar[Any] = {benchmark}
    x_shape = (3, 8, 8)

    def ids(self) -> list[str]:
        return ["0"]

    def load(self, image_id: str) -> Any:
        raise NotImplementedError
"""


def data_source(benchmark: str) -> str:
    return HEAD + DATASET.format(benchmark=benchmark) + hook("TheirData", "dataset")


def test_a_dataset_may_bring_a_benchmark(offer: Offer) -> None:
    source = data_source('Benchmark("their_data", 3, "gmm", "theirs", 1)')
    assert build_catalog([offer("data", source)]).benchmark("their_data").version == 3


def test_a_benchmark_of_a_third_party_does_not_replace_ours(offer: Offer) -> None:
    source = data_source('Benchmark("photos", 9, "gmm", "not the embedded tier", 1)')
    catalog = build_catalog([*importlib.metadata.entry_points(group=GROUP), offer("zz", source)])
    assert catalog.benchmark("photos").version == 2
    assert len(catalog.broken) == 1


def test_an_invalid_benchmark_is_a_row_with_its_reason(offer: Offer) -> None:
    catalog = build_catalog([offer("zz", data_source("'photos'")), offer("their_solver", GOOD)])
    assert catalog.benchmarks == {}
    assert_broken(catalog, "zz", "benchmark")


def install(folder: Path, dist: str, module: str, source: str, version: str = "2.0") -> None:
    """A distribution as pip leaves it: a package and its metadata."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(source)
    info = folder / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{module} = {module}\n")


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """The command line in an environment with a good and a broken distribution of third parties."""
    folder = tmp_path_factory.mktemp("site")
    failing = solver_source("boom", "Boom", "raise RuntimeError('out of ideas')")
    install(
        folder, "their-solvers", "their_solvers", GOOD.replace('"good"', '"theirs"') + failing + hook("Theirs, Boom")
    )
    install(folder, "their-broken", "their_broken", "import a_package_that_is_absent")
    work = tmp_path_factory.mktemp("work")

    def call(*args: str) -> Result:
        return called(args, work, site=folder)

    call.work = work  # type: ignore[attr-defined]
    return call


def test_the_list_shows_a_third_party_and_why_another_is_not_usable(third_party: Any) -> None:
    result = third_party("list")
    assert result.returncode == 0
    (line,) = [line for line in result.stdout.splitlines() if line.split()[:1] == ["theirs"]]
    assert line.split(maxsplit=1)[1] == "a solver of a third party  (their-solvers 2.0)"
    unusable = result.stdout.partition("not usable\n")[2]
    assert "their-broken: ModuleNotFoundError: No module named 'a_package_that_is_absent'" in unusable
    assert "  ddrm  " in result.stdout


def test_info_describes_a_third_party_solver(third_party: Any) -> None:
    result = third_party("info", "theirs")
    assert result.returncode == 0
    assert "solver theirs (their-solvers 2.0, their_solvers)" in result.stdout
    assert "solver.gain=1.0" in result.stdout


def test_a_third_party_solver_runs_and_a_failing_one_does_not_stop_it(third_party: Any) -> None:
    result = third_party("run", "solver=boom,theirs", "benchmark=gmm", "task=denoise", "n=4", "references=false")
    assert result.returncode == 1
    assert "gmm/denoise/boom: failed, 0 images" in result.stderr
    assert "RuntimeError: out of ideas" in result.stderr
    assert "gmm/denoise/theirs: complete, 4 images" in result.stderr
    assert "Traceback" not in result.stderr
    assert "\ntheirs " in result.stdout
    assert "FAILED boom: RuntimeError: out of ideas (traceback in " in result.stdout
    cells = {c.run.config.solver.name: c for c in load_cells(third_party.work / "results" / "runs")}
    assert cells["theirs"].run.config.solver.plain() == {"name": "theirs", "gain": 1.0}
    assert cells["theirs"].run.config.plugins["their-solvers"] == "2.0"
    assert cells["boom"].run.status == "failed"
    assert "out of ideas" in str(cells["boom"].run.traceback)


def test_the_name_of_a_broken_distribution_is_mentioned_when_a_solver_is_not_found(third_party: Any) -> None:
    result = third_party("run", "solver=theirz", "task=sr4")
    assert result.returncode == 2
    assert "did you mean 'theirs'" in result.stderr
    assert "Not loaded: their_broken of their-broken (ModuleNotFoundError" in result.stderr
    result = third_party("run", "solver=their_broken", "task=sr4")
    assert result.returncode == 2
    assert "cannot be used: ModuleNotFoundError" in result.stderr


def test_a_module_without_a_hook_is_a_row_with_its_reason(offer: Offer) -> None:
    catalog = build_catalog([offer("empty", "def invbench_register_solver(): return []\n")])
    assert_broken(catalog, "empty", "it offers nothing", "invbench_register_solvers")
