"""Discovery: entry points of the group ``invbench``, ours and everybody's, loaded one at a time.

A plugin that fails to import, misspells a hook or duplicates a name becomes a row with its reason, and an
error only when it is asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import re
import signal
import threading
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from invbench import hookspecs
from invbench.dataset import Benchmark, Dataset
from invbench.errors import PluginError, unknown
from invbench.guard import contained, preserved_state, reason_of
from invbench.interrupts import pressed
from invbench.metric import Metric
from invbench.prior import PriorSource
from invbench.solver import Solver
from invbench.task import Task

GROUP = "invbench"
LONGEST = 64
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}", re.ASCII)  # of folders, options and tables
PATIENCE = 60  # seconds that importing a plugin may take
KINDS: dict[str, type] = {
    "solver": Solver,
    "task": Task,
    "dataset": Dataset,
    "prior": PriorSource,
    "metric": Metric,
}


@dataclass(frozen=True)
class Plugin:
    """A class that can be used, and the distribution it came with."""

    kind: str
    name: str
    cls: type[Any]
    distribution: str
    version: str


@dataclass(frozen=True)
class Broken:
    """An entry point or a name that cannot be used, and why."""

    kind: str
    name: str
    distribution: str
    reason: str


@dataclass
class Catalog:
    """Plugins by kind and name, and what could not be loaded."""

    plugins: dict[str, dict[str, Plugin]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    broken: list[Broken] = field(default_factory=list)
    installed: bool = False  # whether another process that loads the catalog gets the same

    def get(self, kind: str, name: str) -> type[Any]:
        """The class of that name. Raises PluginError: unknown (with suggestions), or broken (with the reason)."""
        return self.plugin(kind, name).cls

    def plugin(self, kind: str, name: str) -> Plugin:
        """Like ``get``, with where the class came from."""
        if name in self.plugins[kind]:
            return self.plugins[kind][name]
        for b in self.broken:
            if (b.kind, b.name) in ((kind, name), ("entry point", name), ("entry point", f"{kind}_{name}")):
                raise PluginError(f"{kind} {name!r} of {b.distribution} cannot be used: {b.reason}")
        raise PluginError(unknown(kind, name, self.plugins[kind]) + self.not_loaded())

    def not_loaded(self) -> str:
        """What could not be loaded and why, to end a message with; empty where all was."""
        failed = [f"{b.name} of {b.distribution} ({b.reason})" for b in self.broken]
        return f". Not loaded: {'; '.join(failed)}" if failed else ""

    @property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The presets that datasets bring."""
        found = (p.cls.benchmark for p in self.plugins["dataset"].values())
        return {b.name: b for b in found if b is not None}

    def for_tables(self) -> tuple[dict[str, type[Metric]], dict[str, str]]:
        """What a table needs to know: metrics by name, and the exact sampler of each benchmark that has one."""
        metrics = {name: plugin.cls for name, plugin in self.plugins["metric"].items()}
        return metrics, {b.name: b.floor for b in self.benchmarks.values() if b.floor}

    def metrics(self, without: Collection[str] = ()) -> list[Metric]:
        """Every metric that can be made, but for some; the others are warned of."""
        made = []
        for name, plugin in self.plugins["metric"].items():
            if name not in without:
                try:
                    with contained(f"metric {name}"):
                        made.append(plugin.cls())
                except Exception as error:  # a stranger's
                    warnings.warn(
                        f"metric {name} of {plugin.distribution} cannot be made: {reason_of(error)}", stacklevel=2
                    )
        return made

    def benchmark(self, name: str) -> Benchmark:
        """The preset of that name. Raises PluginError with suggestions."""
        if name not in self.benchmarks:
            raise PluginError(unknown("benchmark", name, self.benchmarks))
        return self.benchmarks[name]


def load_catalog() -> Catalog:
    """Every installed plugin."""
    catalog = build_catalog(entry_points(group=GROUP))
    catalog.installed = True
    return catalog


def build_catalog(found: Iterable[EntryPoint]) -> Catalog:
    """Load entry points one at a time into a catalog."""
    catalog, manager = Catalog(), make_plugin_manager()
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry_point in found:
        by_name[entry_point.name].append(entry_point)

    offers: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    for name, offered in sorted(by_name.items()):
        if len(offered) > 1:
            both = " and ".join(sorted(_distribution(e)[0] for e in offered))
            reason = f"entry point {name!r} is offered by {both}; uninstall one"
            catalog.broken.append(Broken("entry point", name, both, reason))
            continue
        try:
            for plugin in _load(manager, offered[0]):
                offers[plugin.kind, plugin.name].append(plugin)
        except BaseException as error:  # a plugin may fail in any way; it must not take the others down
            if isinstance(error, KeyboardInterrupt) and pressed():
                raise
            reason = " ".join(reason_of(error).split())
            catalog.broken.append(Broken("entry point", name, _distribution(offered[0])[0], reason))

    for (kind, name), plugins in offers.items():
        if len(plugins) == 1:
            catalog.plugins[kind][name] = plugins[0]
        else:
            both = " and ".join(sorted(f"{p.distribution} ({p.cls.__module__})" for p in plugins))
            catalog.broken.append(Broken(kind, name, both, "the name is offered twice; uninstall one"))
    return catalog


@contextmanager
def in_time(entry_point: EntryPoint) -> Iterator[None]:
    """Import in the body. Raises PluginError where it takes too long, on systems that can tell."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(number: int, frame: Any) -> None:
        raise PluginError(f"importing {entry_point.value} took longer than {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make_plugin_manager() -> pluggy.PluginManager:
    """A manager that knows our hooks and no plugin."""
    manager = pluggy.PluginManager("invbench")
    manager.add_hookspecs(hookspecs)
    return manager


def _load(manager: pluggy.PluginManager, entry_point: EntryPoint) -> list[Plugin]:
    pid = os.getpid()
    try:
        with preserved_state(importing=True), in_time(entry_point):
            return _offered(manager, entry_point)
    finally:
        if os.getpid() != pid:
            os._exit(1)  # a copy of the process that the plugin made


def _offered(manager: pluggy.PluginManager, entry_point: EntryPoint) -> list[Plugin]:
    module = entry_point.load()
    manager.register(module, entry_point.name)
    try:
        try:
            manager.check_pending()  # a misspelt hook is an error
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{error}; the hooks are {', '.join(f'invbench_register_{k}s' for k in KINDS)}") from None
        found = []
        hooks = {kind: getattr(module, f"invbench_register_{kind}s", None) for kind in KINDS}
        if not any(hooks.values()):
            raise PluginError("it offers nothing; define a hook such as invbench_register_solvers")
        for kind, interface in KINDS.items():
            hook = hooks[kind]
            for cls in hook() if hook else []:
                _check(cls, kind, interface)
                found.append(Plugin(kind, cls.name, cls, *_distribution(entry_point)))
        return found
    except BaseException:
        manager.unregister(module)
        raise


def _check(cls: Any, kind: str, interface: type) -> None:
    if not (isinstance(cls, type) and interface in cls.__mro__):
        raise PluginError(f"expected a subclass of invbench.{interface.__name__} for a {kind}; got {cls!r}")
    _check_class(cls, kind)


def _check_class(cls: Any, kind: str) -> None:
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{kind} {cls.__name__} does not define: {missing}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str):
        raise PluginError(f"{kind} {cls.__name__} needs a class attribute 'name'")
    if not NAME.fullmatch(name):
        raise PluginError(
            f"{kind} {cls.__name__}: its name must be of letters, digits, _ and -, begin with a letter or digit and be "
            f"at most {LONGEST} characters long; got {name[:80]!r}"
        )
    if kind == "metric":
        _check_metric(cls)
    else:
        _check_options(cls, kind)
    if kind == "solver":
        _check_solve(cls)
    if kind == "dataset" and cls.benchmark is not None:
        if not isinstance(cls.benchmark, Benchmark):
            raise PluginError(f"dataset {cls.name}: expected an invbench.Benchmark as benchmark; got {cls.benchmark!r}")
        if cls.benchmark.name != cls.name:
            raise PluginError(f"dataset {cls.name}: its benchmark must have its name; got {cls.benchmark.name!r}")


def _check_metric(cls: Any) -> None:
    """The texts and numbers by which a table shows a metric."""
    for name in ("protocol", "unit", "digits", "table"):
        if not isinstance(getattr(cls, name, None), str):
            raise PluginError(f"metric {cls.name}: expected a text as class attribute {name!r}")
    if not cls.protocol:
        raise PluginError(f"metric {cls.name}: its protocol is empty; say what the number depends on")
    if getattr(cls, "higher_is_better", 0) not in (True, False, None):
        raise PluginError(f"metric {cls.name} needs higher_is_better: True, False, or None (nearest to target is best)")
    if cls.target is not None and not isinstance(cls.target, int | float):
        raise PluginError(f"metric {cls.name}: expected a number or None as target; got {cls.target!r}")
    if not isinstance(cls.order, int) or not isinstance(cls.headline, bool):
        raise PluginError(
            f"metric {cls.name}: expected a whole number as order, True or False as headline; got {cls.order!r}, "
            f"{cls.headline!r}"
        )
    try:
        format(0.0, cls.digits)
    except ValueError:
        raise PluginError(f"metric {cls.name}: digits must format a number, as '.3f'; got {cls.digits!r}") from None


def _check_options(cls: Any, kind: str) -> None:
    """The fields of a frozen dataclass, each with a default, are its options; nothing else may look like one."""
    params = vars(cls).get("__dataclass_params__")
    if params is None or not params.frozen:
        raise PluginError(f"{kind} {cls.__name__} must be a frozen dataclass: its fields are its options")
    declared = {
        name: str(note) for base in cls.__mro__[1:] for name, note in vars(base).get("__annotations__", {}).items()
    }
    for f in dataclasses.fields(cls):
        if "ClassVar" in declared.get(f.name, ""):
            raise PluginError(f"{kind} {cls.__name__}: {f.name} is no option; write {f.name}: {declared[f.name]} = ...")
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise PluginError(f"{kind} {cls.__name__}: option {f.name} needs a default")
    declared |= vars(cls).get("__annotations__", {})
    for name, value in vars(cls).items():
        if isinstance(value, bool | int | float | str) and not name.startswith("_") and name not in declared:
            raise PluginError(
                f"{kind} {cls.__name__}: {name} = {value!r} has no annotation; write "
                f"{name}: {type(value).__name__} for an option, {name}: ClassVar[...] for what is none"
            )


def _check_solve(cls: Any) -> None:
    """``solve`` takes what the runner hands it."""
    try:
        inspect.signature(cls.solve).bind("self", "y", "problem", "prior", "state", "rng")
    except TypeError as error:
        expected = "solve(self, y, problem, prior, state, rng, on_step=None)"
        raise PluginError(f"solver {cls.__name__}: expected {expected}; got another signature ({error})") from None


def source_sha256(cls: type[Any]) -> str:
    """Short SHA-256 of the source that a plugin is made of: its module or, in a package, all modules beside it."""
    try:
        path = Path(inspect.getsourcefile(cls) or "")
    except (TypeError, OSError):
        return ""  # typed in, not in a file
    if not path.is_file():
        return ""
    files = sorted(path.parent.glob("*.py")) if (path.parent / "__init__.py").is_file() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _distribution(entry_point: EntryPoint) -> tuple[str, str]:
    dist = entry_point.dist
    return (dist.name, dist.version) if dist else ("(no distribution)", "0")
