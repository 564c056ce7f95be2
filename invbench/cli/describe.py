"""What 'invbench list' and 'invbench info' say of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invbench.errors import ConfigError, unknown
from invbench.prior import TrainablePrior
from invbench.solver import Trainable

if TYPE_CHECKING:
    from invbench.metric import Metric
    from invbench.plugins import Catalog, Plugin
    from invbench.prior import PriorSource
    from invbench.solver import Solver


def called(name: str, catalog: Catalog) -> list[Plugin]:
    """The plugins of that name, of any kind. Raises ConfigError with suggestions for an unknown name."""
    matching = [plugins[name] for plugins in catalog.plugins.values() if name in plugins]
    if not matching and name not in catalog.benchmarks:
        known = catalog.names() | set(catalog.benchmarks)
        raise ConfigError(unknown("name", name, known) + catalog.not_loaded())
    return matching


def tested(name: str, catalog: Catalog) -> list[Plugin]:
    """Those that have conformance tests. Raises ConfigError for a tracker, which would export something."""
    plugins = [plugin for plugin in called(name, catalog) if plugin.kind != "tracker"]
    if not plugins and name in catalog.plugins["tracker"]:
        raise ConfigError(f"trackers have no conformance tests; try this one with track={name}")
    return plugins


def listing(catalog: Catalog, kind: str) -> list[tuple[str, str, str]]:
    """Name, distribution (empty for our own) and summary of the plugins of a kind."""
    if kind == "benchmark":
        return [(b.name, "", f"v{b.version}, {b.summary}") for b in catalog.benchmarks.values()]
    plugins = sorted(catalog.plugins[kind].values(), key=lambda p: p.name)
    return [
        (p.name, "" if p.distribution == "invbench" else f"  ({p.distribution} {p.version})", summary(p.cls))
        for p in plugins
    ]


def summary(cls: type[Any]) -> str:
    """What a class says of itself in a line: its own ``summary`` or, where it has none, the first line of its text."""
    text = cls.__doc__ or ""
    first = "" if text.startswith(f"{cls.__name__}(") else text.strip().partition("\n")[0]  # dataclasses make such ones
    return str(vars(cls).get("summary") or first or cls.summary)


def description(plugin: Plugin) -> str:
    """What 'invbench info' prints of a plugin."""
    import dataclasses
    import inspect

    cls = plugin.cls
    lines = [f"{plugin.kind} {plugin.name} ({plugin.distribution} {plugin.version}, {cls.__module__})", ""]
    if plugin.kind == "solver" and (module := inspect.getdoc(inspect.getmodule(cls))):
        lines += [module, ""]
    lines += [inspect.getdoc(cls) or "", ""]
    if dataclasses.is_dataclass(cls):
        lines += ["options and defaults:", *_fields(cls, plugin.kind)]
    of_kind = {"solver": _of_solver, "metric": _of_metric, "prior": _arithmetic}
    if plugin.kind in of_kind:
        lines += of_kind[plugin.kind](cls)
    if issubclass(cls, Trainable | TrainablePrior):
        lines += ["", "training:", inspect.getdoc(cls.options) or "", "", *_fields(cls.options, "training")]
        lines += [f"  +{group}={', '.join(names)}" for group, names in getattr(cls, "variants", {}).items()]
        lines += _settings(cls.options)
    return "\n".join(lines).rstrip() + "\n"


def _of_metric(cls: type[Metric]) -> list[str]:
    return [f"protocol: {cls.protocol}"]


def _of_solver(cls: type[Solver]) -> list[str]:
    """A solver's tuned settings, what it needs, and its paper."""
    needs = [cls.operator_type.__name__]
    if cls.needs_sigma:
        needs.append("sigma")
    if cls.needs_grad:
        needs.append("gradients")
    lines = [*_settings(cls), f"needs: {', '.join(needs)}"]
    if cls.paper:
        lines.append(f"paper: {cls.paper}")
    return [*lines, cls.bibtex]


def _arithmetic(cls: type[PriorSource]) -> list[str]:
    """What an evaluation of a prior's network costs, in the conventions in use."""
    from invbench.guard import described

    with described(f"prior {cls.name}"):
        cost = cls().cost()
    if cost is None:
        return []
    return [
        f"parameters: {cost.parameters:,}",
        f"one evaluation at {'x'.join(map(str, cost.x_shape))}:",
        f"  {cost.macs / 1e9:.3f} GMAC (convolutions, linear maps, attention products)",
        f"  {cost.fvcore / 1e9:.3f} G in fvcore's convention (multiply-add = 1, group norm 5, upsampling 1 per element;"
        " the DAVI paper's Table 13)",
        f"  {2 * cost.macs / 1e9:.3f} GFLOP counting a multiply-add as two",
    ]


def _fields(cls: type[Any], kind: str) -> list[str]:
    """The options of a dataclass and their defaults."""
    import dataclasses

    return [f"  {kind}.{f.name}={f.default!r}" for f in dataclasses.fields(cls)] or ["  none"]


def _settings(cls: type[Any]) -> list[str]:
    """The sets of hyper-parameters by preset and task, with their origin."""
    from invbench.settings import tables

    lines = []
    for (preset, task, name), chosen in tables(cls).items():
        values = ", ".join(f"{k}={v}" for k, v in chosen.values.items())
        where = f"{preset} {task}" + (f" settings={name}" if name else "")
        lines.append(f"  {where:<24} {values}  ({chosen.origin})")
    return ["set by presets:", *lines] if lines else []
