"""Discovery: entry points of the group ``invbench``, ours and those of others, loaded one at a time.

A plugin that fails to import, misspells a hook or duplicates a name becomes a row with its reason, and an
error only when it is asked for.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import signal
import threading
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from invbench import hookspecs
from invbench.dataset import Benchmark
from invbench.declarations import KINDS, check
from invbench.errors import PluginError, unknown
from invbench.guard import contained, preserved_state, reason_of
from invbench.interrupts import pressed
from invbench.metric import Metric
from invbench.noise import models_of

GROUP = "invbench"
PATIENCE = 60  # seconds that importing a plugin may take


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
        """What could not be loaded and why, to end a message with; empty if all was."""
        failed = [f"{b.name} of {b.distribution} ({b.reason})" for b in self.broken]
        return f". Not loaded: {'; '.join(failed)}" if failed else ""

    @property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The presets that datasets bring."""
        presets = (p.cls.benchmark for p in self.plugins["dataset"].values())
        return {b.name: b for b in presets if b is not None}

    def names(self) -> set[str]:
        """The names of all plugins."""
        return {name for plugins in self.plugins.values() for name in plugins}

    def for_tables(self) -> tuple[dict[str, type[Metric]], dict[str, str]]:
        """What a table needs to know: metrics by name, and the exact sampler of each benchmark that has one."""
        metrics = {name: plugin.cls for name, plugin in self.plugins["metric"].items()}
        return metrics, {b.name: b.floor for b in self.benchmarks.values() if b.floor}

    def metrics(self, without: Collection[str] = ()) -> list[Metric]:
        """Every metric that can be made, but for some; the others are warned of."""
        metrics = []
        for name, plugin in self.plugins["metric"].items():
            if name not in without:
                try:
                    with contained(f"metric {name}"):
                        metrics.append(plugin.cls())
                except Exception as error:  # third-party code may raise anything
                    warnings.warn(
                        f"metric {name} of {plugin.distribution} cannot be made: {reason_of(error)}", stacklevel=2
                    )
        return metrics

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


def build_catalog(points: Iterable[EntryPoint]) -> Catalog:
    """Load entry points one at a time into a catalog."""
    catalog, manager = Catalog(), make_plugin_manager()
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry_point in points:
        by_name[entry_point.name].append(entry_point)
    offers: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    for _, same in sorted(by_name.items()):
        loaded = _loaded(manager, same)
        if isinstance(loaded, Broken):
            catalog.broken.append(loaded)
            continue
        for plugin in loaded:
            offers[plugin.kind, plugin.name].append(plugin)
    for (kind, name), plugins in offers.items():
        if len(plugins) == 1:
            catalog.plugins[kind][name] = plugins[0]
        else:
            both = " and ".join(sorted(f"{p.distribution} ({p.cls.__module__})" for p in plugins))
            catalog.broken.append(Broken(kind, name, both, "the name is offered twice; uninstall one"))
    return catalog


def _loaded(manager: pluggy.PluginManager, same: Sequence[EntryPoint]) -> list[Plugin] | Broken:
    """The plugins of the entry point of a name, or why there are none."""
    name, distributions = same[0].name, sorted(_distribution(each)[0] for each in same)
    if len(same) > 1:
        both = " and ".join(distributions)
        return Broken("entry point", name, both, f"entry point {name!r} is offered by {both}; uninstall one")
    try:
        return _load(manager, same[0])
    except BaseException as error:  # a plugin may fail in any way; it must not take the others down
        if isinstance(error, KeyboardInterrupt) and pressed():
            raise
        return Broken("entry point", name, distributions[0], " ".join(reason_of(error).split()))


@contextmanager
def in_time(entry_point: EntryPoint) -> Iterator[None]:
    """Import in the body. Raises PluginError if it takes too long, on systems with alarm signals."""
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
            raise PluginError(
                f"{error}; the hooks are {', '.join(f'invbench_register_{k}s' for k in (*KINDS, 'noise'))}"
            ) from None
        plugins = []
        hooks = {kind: getattr(module, f"invbench_register_{kind}s", None) for kind in KINDS}
        if not any(hooks.values()) and not models_of(module):
            raise PluginError("it offers nothing; define a hook such as invbench_register_solvers")
        for kind, interface in KINDS.items():
            hook = hooks[kind]
            for cls in hook() if hook else []:
                check(cls, kind, interface)
                plugins.append(Plugin(kind, cls.name, cls, *_distribution(entry_point)))
        return plugins
    except BaseException:
        manager.unregister(module)
        raise


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
    return _named(entry_point.dist) if entry_point.dist else ("(no distribution)", "0")


@lru_cache(maxsize=256)
def _named(distribution: Distribution) -> tuple[str, str]:
    """Name and version, whose file is parsed at every look otherwise: a third of the start of a command."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]
