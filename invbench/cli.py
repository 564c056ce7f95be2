"""The command line. Commands import what they need when they run, so that help and tables are instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invbench import __version__
from invbench.errors import ConfigError, InvbenchError, unknown

if TYPE_CHECKING:
    from invbench.plugins import Catalog, Plugin
    from invbench.records import LoadedCell
    from invbench.tables import Table

OUT = "results/runs"
REFERENCE = "reference"
FILTERS = ("benchmark", "task", "solver", "dataset", "prior", "seed")


def _folder(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    from invbench.published import results_folder

    return results_folder() / REFERENCE if value == REFERENCE else Path(value)


out_option = click.option(
    "--out",
    default=OUT,
    show_default=True,
    callback=_folder,
    help=f"Results folder; '{REFERENCE}' names the released records that come with invbench.",
)


class Commands(click.Group):
    """A group that suggests the nearest command and prints our errors without a traceback."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(unknown("command", args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors are messages."""
        try:
            return super().invoke(ctx)
        except InvbenchError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="invbench")
def main() -> None:
    """Benchmark solvers of noisy inverse problems with a diffusion prior.

    \b
    invbench run solver=ddrm task=sr4     restore photographs, print the table, draw the picture
    invbench table                        tables of everything recorded
    invbench list                         what is installed
    """


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Run cells: invbench run solver=ddrm task=sr4 [key=value ...]."""
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    if "-h" in overrides or "--help" in overrides:
        click.echo(_run_help(catalog))
        return
    from invbench import commands

    ctx.exit(commands.run(list(overrides), catalog))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.option("--repeats", default=10, show_default=True, type=click.IntRange(1), help="Timed solves.")
@click.option("--limit", default=60.0, show_default=True, help="Seconds of timed solves after which it is enough.")
@click.pass_context
def bench(ctx: click.Context, overrides: tuple[str, ...], repeats: int, limit: float) -> None:
    """Measure what solvers cost: invbench bench solver=davi,ddrm task=sr4 [batch_size=1] [key=value ...]

    Seconds an image (median, quartiles), network calls, GFLOP of the whole solve with its backward passes, memory. One
    image at a time unless batch_size is given. Takes every option of 'invbench run'.
    """
    from invbench import commands
    from invbench.plugins import load_catalog

    ctx.exit(commands.bench(list(overrides), load_catalog(), repeats, limit))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def plan(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Say what a run would take, before it is run: invbench plan solver=dps,ddrm task=sr4,deblur n=1000

    Network calls, arithmetic, hours on this machine and disk, from one solve of a batch without the network and the
    measured cost of a network call. Takes every option of 'invbench run'.
    """
    from invbench import commands
    from invbench.plugins import load_catalog

    ctx.exit(commands.plan(list(overrides), load_catalog()))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def tune(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Choose a solver's options: invbench tune solver=dps task=sr4 [objective=psnr] [key=value ...].

    Sweeps over the space the solver declares, or over the values given (solver.zeta=0.3,1), on the tuning split of
    the dataset, never on the images that are reported. Prints the ranking and the lines to keep, and writes both
    beside the records. Takes every option of 'invbench run'; n=8 and out=results/tune unless told.
    """
    from invbench.plugins import load_catalog
    from invbench.tune import tune

    ctx.exit(tune(list(overrides), load_catalog()))


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
@click.option("--dry-run", is_flag=True, help="Say what it would take, and stop.")
@click.pass_context
def train(ctx: click.Context, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Train a solver or a prior: invbench train solver=davi task=sr4 [key=value ...]."""
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    from invbench import train

    if "-h" in overrides or "--help" in overrides:
        click.echo(train.help_text(catalog))
        return
    ctx.exit(train.train(list(overrides), catalog, dry_run))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def sample(overrides: tuple[str, ...]) -> None:
    """Draw images from a prior: invbench sample prior=adm_photos n=64 [side=64] [nfe=100] [seed=0] [out=FOLDER].

    Writes a PNG each and prints their folder; what is there already is not drawn again. To train on them in place of
    photographs (DAVI-G): invbench train ... dataset=folder dataset.root=FOLDER.
    """
    from invbench.plugins import load_catalog
    from invbench.sample import sample

    click.echo(sample(list(overrides), load_catalog()))


@main.command()
@click.argument("filters", nargs=-1)
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@click.option("--paper", type=int, default=None, help="A table of the DAVI paper, 1 to 13, beside what is recorded.")
@click.option(
    "--metrics", "only", default="", help="Columns, as psnr,lpips_vgg,seconds; all that is recorded if empty."
)
@click.option("--budgets", default="", help="The best solver within network calls, as 20,100,1000, instead of all.")
@out_option
def table(filters: tuple[str, ...], how: str, paper: int | None, only: str, budgets: str, out: Path) -> None:
    """Print tables of what is recorded: invbench table [benchmark=photos] [task=sr4] ...

    With --paper N, a published table and our numbers under it; with benchmark=photos too, our records on that
    benchmark in the layout of that table.
    """
    from invbench.plugins import load_catalog
    from invbench.seeds import seed_tables
    from invbench.tables import FORMATS, build_tables

    if how not in FORMATS:
        raise ConfigError(unknown("table format", how, FORMATS))
    if paper is not None:
        click.echo(_paper_table(paper, filters, how, out).render(how))
        return
    cells, (metrics, floors) = _cells(filters, out), load_catalog().for_tables()
    if budgets:
        from invbench.fronts import budget_tables, parse_budgets

        tables = budget_tables(cells, metrics, parse_budgets(budgets), _names(only))
    else:
        tables = [*build_tables(cells, metrics, floors, _names(only)), *seed_tables(cells, metrics)]
    click.echo("\n\n".join(t.render(how) for t in tables))


@main.command()
@click.argument("filters", nargs=-1)
@out_option
def rescore(filters: tuple[str, ...], out: Path) -> None:
    """Add scores that records lack, from the kept reconstructions: invbench rescore [benchmark=photos] [task=sr4] ...

    No solver is run. Use it after installing a metric, or fetching its weights.
    """
    from invbench import commands
    from invbench.plugins import load_catalog

    for line in commands.rescore_all(_cells(filters, out), load_catalog()):
        click.echo(line)


@main.command()
@click.argument("to", type=click.Path(path_type=Path))
@click.argument("filters", nargs=-1)
@out_option
def release(to: Path, filters: tuple[str, ...], out: Path) -> None:
    """Write records to share: invbench release FOLDER [benchmark=photos] [task=sr4] ...

    Every number with its provenance, and what 'invbench bench' measured, without reconstructions and without this
    machine's paths. Read them with --out FOLDER.
    """
    from invbench.release import release, release_costs

    cells = _cells(filters, out)
    for line in (*release(cells, to), *release_costs(cells, out, to)):
        click.echo(line)


@main.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.argument("filters", nargs=-1)
@click.option("--fail-on", "rules", default="", help="Bounds, as psnr<-0.05,nfe!=0,seconds>1.3x; exit status 1 beyond.")
@click.option("--across-machines", is_flag=True, help="Allow measurements that differ in a bit, as on other CPUs.")
@click.option("--format", "how", default="md", show_default=True, help="text, md, latex, csv or html.")
@click.pass_context
def compare(
    ctx: click.Context,
    base: Path,
    new: Path,
    filters: tuple[str, ...],
    rules: str,
    across_machines: bool,
    how: str,
) -> None:
    """What changed between two results folders: invbench compare BASE NEW [task=sr4] [--fail-on RULES]

    Prints paired differences on the same images as a table for a pull request. Exits with 1 where a rule is broken or
    a cell of BASE is missing from NEW.
    """
    from invbench.compare import compare, parse_rules

    table, failed = compare(base, new, parse_rules(rules), _wanted(filters), across_machines)
    click.echo(table.render(how))
    ctx.exit(1 if failed else 0)


@main.command()
@click.argument("cell")
@out_option
def explain(cell: str, out: Path) -> None:
    """Say where a cell's numbers come from: command, configuration, hashes, environment. CELL is an id or a folder."""
    from invbench.provenance import explain, find_cell

    click.echo(explain(find_cell(cell, out)))


@main.command()
@click.argument("cell")
@click.option("--images", default=3, show_default=True, type=click.IntRange(0), help="How many are solved again.")
@click.option("--tolerance", default=1e-4, show_default=True, help="Largest difference that is the same.")
@out_option
@click.pass_context
def verify(ctx: click.Context, cell: str, images: int, tolerance: float, out: Path) -> None:
    """Check a cell's files against their sums, and solve some of its images again. CELL is an id or a folder.

    Differences are of values on [-1,1], and of scores where records were released without reconstructions.
    Exits with 1 where a file was changed or an image comes out otherwise.
    """
    from invbench.plugins import load_catalog
    from invbench.provenance import find_cell, verify

    lines, good = verify(find_cell(cell, out), images, load_catalog(), tolerance)
    click.echo("\n".join(lines))
    ctx.exit(0 if good else 1)


@main.command()
@click.argument("first")
@click.argument("second")
@click.argument("filters", nargs=-1)
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@out_option
def versus(first: str, second: str, filters: tuple[str, ...], how: str, out: Path) -> None:
    """Tell two solvers apart on the same images: invbench versus davi ddrm [task=sr4] ..."""
    from invbench.compare import versus
    from invbench.plugins import load_catalog

    metrics, _ = load_catalog().for_tables()
    higher = {name: bool(m.higher_is_better) for name, m in metrics.items() if m.higher_is_better is not None}
    click.echo(versus(_cells(filters, out), first, second, higher).render(how))


@main.command()
@click.argument("ids", nargs=-1)
@click.option("--benchmark", default="", help="Only claims about it; 'photos' stands in for the paper's, as a twin.")
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@out_option
def claims(ids: tuple[str, ...], benchmark: str, how: str, out: Path) -> None:
    """Judge what the DAVI paper states by what is recorded: invbench claims [table1-realism ...] [--benchmark photos]

    Claims are printed cells, orders ("DAVI has the best FID") and ratios ("20 times faster"). IDS are ids or beginnings
    of them, as cell/1. Records bear on a claim only with the paper's benchmark, task, noise, images, prior and NFE.

    \b
    reproduced        cell: our 95 % interval over as many images contains the printed value; order: holds against
                      every method, p < 0.05 each on the same images (scores of sets: intervals apart); ratio: even
                      the lowest of any two images is above the bound
    within interval   seen, but no more: fewer images, the score of a set, chance not excluded, or a cell that the
                      paper leaves unclear
    undecided         an order or ratio that our means do not show, though chance explains it
    contradicted      the interval excludes the printed value; a method is significantly ahead (Holm's correction)
                      that should not be; even the highest ratio is below the bound
    protocol differs  recorded otherwise: noise, prior, NFE, options by hand, metric, sets of other images, nan
    not run           something is missing; the commands are below the table

    A twin is the same statement on other images, with another prior, other weights and other metrics (haarpsi for
    LPIPS, swd for FID): its verdict is about that experiment, not the paper's. One claim in twenty is told by chance.
    """
    from invbench.claims import chosen, load_claims
    from invbench.claims_table import claims_table
    from invbench.plugins import load_catalog
    from invbench.published import with_released
    from invbench.records import load_cells
    from invbench.tables import FORMATS

    if how not in FORMATS:
        raise ConfigError(unknown("table format", how, FORMATS))
    found = chosen(load_claims(benchmark=benchmark), ids)
    metrics, _ = load_catalog().for_tables()
    cells = with_released(load_cells(out))
    click.echo(claims_table(found, cells, metrics, brief=not ids).render(how))


@main.command()
@click.argument("words", metavar="[KIND] [FILTERS]...", nargs=-1)
@click.option("--metric", default="psnr", show_default=True, help="Written under pictures, or shown in charts.")
@click.option("--solvers", default="", help="Solvers, as davi,ddrm, or the starts of cell ids; all if empty.")
@click.option("--images", default="", help="Pictures: images by id, as 0003,0007; the first if empty.")
@click.option("--rows", default=4, show_default=True, type=click.IntRange(1, 64), help="Pictures: how many images.")
@click.option("--zoom", is_flag=True, help="Grid: enlarge the square where the median solver errs most.")
@click.option("--cost", default="nfe", show_default=True, help="Front: nfe or seconds.")
@click.option("--to", type=click.Path(path_type=Path), help="File to write (.png, .pdf, .svg); pictures: of one task.")
@out_option
def figure(words: tuple[str, ...], solvers: str, images: str, out: Path, **options: Any) -> None:
    """Draw what is recorded: invbench figure [KIND] [benchmark=photos] [task=sr4] ...

    \b
    grid     truth, measurement and reconstructions, the metric under each (default)
    errors   the reconstructions' errors, on one colour scale
    bars     means with 95 % intervals, a panel per task
    scatter  two solvers on the same images: --solvers davi,ddrm
    front    the metric against network calls or seconds, and what nothing as cheap beats
    """
    from invbench import drawing
    from invbench.plugins import load_catalog

    kind, filters = (words[0], words[1:]) if words and "=" not in words[0] else ("grid", words)
    asked = drawing.Request(kind, solvers=_names(solvers), images=_names(images), **options)
    for path in drawing.figure(_cells(filters, out), load_catalog(), out, asked):
        click.echo(path)


@main.command()
@click.argument("filters", nargs=-1)
@click.option("--to", default="report.html", show_default=True, type=click.Path(path_type=Path), help="Page to write.")
@click.option("--images", default=16, show_default=True, type=click.IntRange(0), help="Shown of each measurement.")
@out_option
def report(filters: tuple[str, ...], to: Path, images: int, out: Path) -> None:
    """Write one HTML page of what is recorded: invbench report [benchmark=photos] [task=sr4] ... [--to report.html]

    Tables that sort, the images of all solvers side by side, and where every number comes from. The page opens from
    disk and loads nothing else.
    """
    from invbench.plugins import load_catalog
    from invbench.report import build_section, check_path, write_page
    from invbench.tables import by_measurement

    check_path(to)
    catalog = load_catalog()
    with click.progressbar(by_measurement(_cells(filters, out)), label="measurements", file=sys.stderr) as groups:
        sections = [build_section(group, catalog, images, out) for group in groups]
    click.echo(write_page(sections, to))


@main.command(name="list")
@click.argument("kind", required=False)
def list_(kind: str | None) -> None:
    """List what is installed: solvers, tasks, datasets, priors, metrics, benchmarks."""
    from invbench.plugins import KINDS, load_catalog

    catalog = load_catalog()
    kinds = [*KINDS, "benchmark"]
    if kind is not None and kind.removesuffix("s") not in kinds:
        raise ConfigError(unknown("kind", kind, kinds))
    for each in [kind.removesuffix("s")] if kind else kinds:
        click.secho(f"{each}s", bold=True)
        for name, where, summary in _listing(catalog, each):
            click.echo(f"  {name:<18} {summary}{where}")
    if catalog.broken:
        click.secho("not usable", bold=True)
        for b in catalog.broken:
            click.echo(f"  {b.name:<18} {b.distribution}: {b.reason}")


@main.command()
@click.argument("name")
def info(name: str) -> None:
    """Describe a solver, task, dataset, prior, metric or benchmark, with its options and cost."""
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    for plugin in _called(name, catalog):
        click.echo(_description(plugin))
    if name in catalog.benchmarks:
        b = catalog.benchmarks[name]
        click.echo(f"benchmark {b.name} v{b.version}: {b.summary}")
        click.echo(f"  prior {b.prior}; {b.n} images; headline tasks {', '.join(b.main_tasks)}")
        for task, fields in b.tasks.items():
            click.echo(f"  {task:<18} " + ", ".join(f"{k}={v}" for k, v in fields.items()))


@main.command()
@click.argument("name")
@click.pass_context
def check(ctx: click.Context, name: str) -> None:
    """Put a plugin to every check of its kind: rows independent, seeds kept, operators lawful, and so on.

    Prints what was found, for every plugin of that name; the exit status is 1 if any check failed. The same checks
    run as tests, on every installed plugin: pytest --pyargs invbench.testing
    """
    from invbench.plugins import KINDS, load_catalog

    catalog = load_catalog()
    entry_points = {f"{kind}_{name}" for kind in KINDS}
    broken = [b for b in catalog.broken if b.name in {name, *entry_points}]
    for b in broken:
        click.echo(f"{b.kind} {b.name} of {b.distribution} cannot be used: {b.reason}", err=True)
    if broken and not any(name in plugins for plugins in catalog.plugins.values()):
        ctx.exit(1)
    plugins = _called(name, catalog)

    from invbench.testing.report import check_and_print

    ctx.exit(0 if check_and_print(plugins) and not broken else 1)


@main.command()
@click.argument("name", required=False)
def fetch(name: str | None) -> None:
    """Download weights into the cache and verify them; without a name, list what there is."""
    from invbench.artifacts import cache_folder
    from invbench.artifacts import fetch as get
    from invbench.plugins import load_catalog

    plugins = load_catalog().plugins
    owners = [plugin for kind in ("prior", "solver", "metric") for plugin in plugins[kind].values()]
    artifacts = {a.name: a for owner in owners for a in owner.cls.artifacts}
    if name is None:
        for a in artifacts.values():
            state = "in the cache" if (cache_folder() / a.filename).is_file() else "not fetched"
            click.echo(f"  {a.name:<34} {a.size:<8} {state:<13} {a.url}")
        return
    if name not in artifacts:
        raise ConfigError(unknown("artifact", name, artifacts))
    path, checked = get(artifacts[name])
    click.echo(f"{path}\n{checked}")


def _called(name: str, catalog: Catalog) -> list[Plugin]:
    """The plugins of that name, of any kind. Raises ConfigError with suggestions where nothing has it."""
    found = [plugins[name] for plugins in catalog.plugins.values() if name in plugins]
    if not found and name not in catalog.benchmarks:
        known = {n for plugins in catalog.plugins.values() for n in plugins} | set(catalog.benchmarks)
        raise ConfigError(unknown("name", name, known))
    return found


def _paper_table(number: int, filters: tuple[str, ...], how: str, out: Path) -> Table:
    from invbench.plugins import load_catalog
    from invbench.published import BENCHMARKS, paper_table, results_folder, with_released
    from invbench.records import load_cells
    from invbench.twins import load_costs, twin_table

    catalog, wanted = load_catalog(), _wanted(filters)
    cells = with_released(load_cells(out, **wanted), **wanted)
    benchmark = wanted.get("benchmark")
    if benchmark is None or benchmark in BENCHMARKS.values():
        return paper_table(number, cells, how, _call_gflops(catalog) if number == 13 else 0.0)
    costs = load_costs(results_folder() / REFERENCE, out)
    return twin_table(number, benchmark, cells, catalog.for_tables()[0], how, costs)


def _call_gflops(catalog: Catalog) -> float:
    """GFLOPs of a call of the FFHQ network, as the paper counts them."""
    from invbench.adm.cost import count
    from invbench.published import BENCHMARKS

    prior = catalog.get("prior", catalog.benchmark(BENCHMARKS["FFHQ256"]).prior)
    return count(prior.config(), prior.native_side).fvcore / 1e9


def _cells(filters: tuple[str, ...], out: Path) -> list[LoadedCell]:
    from invbench.records import load_cells

    cells = load_cells(out, **_wanted(filters))
    if not cells:
        chosen = " ".join(filters) or "anything"
        raise ConfigError(f"no records of {chosen} in {out}; make some with 'invbench run solver=ddrm task=sr4'")
    return cells


def _names(text: str) -> tuple[str, ...]:
    """``a,b`` as its names; none of an empty text."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _wanted(filters: tuple[str, ...]) -> dict[str, str]:
    """Filters by key. Raises ConfigError for one that is none."""
    wanted = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in FILTERS:
            raise ConfigError(f"expected {', '.join(f'{k}=...' for k in FILTERS)}; got {text!r}")
        wanted[key] = value
    return wanted


def _listing(catalog: Catalog, kind: str) -> list[tuple[str, str, str]]:
    if kind == "benchmark":
        return [(b.name, "", f"v{b.version}, {b.summary}") for b in catalog.benchmarks.values()]
    plugins = sorted(catalog.plugins[kind].values(), key=lambda p: p.name)
    return [
        (p.name, "" if p.distribution == "invbench" else f"  ({p.distribution} {p.version})", p.cls.summary)
        for p in plugins
    ]


def _description(plugin: Plugin) -> str:
    import dataclasses
    import inspect

    cls = plugin.cls
    lines = [f"{plugin.kind} {plugin.name} ({plugin.distribution} {plugin.version}, {cls.__module__})"]
    module = inspect.getdoc(inspect.getmodule(cls)) if plugin.kind == "solver" else ""
    lines += ["", *([module, ""] if module else []), inspect.getdoc(cls) or "", ""]
    if dataclasses.is_dataclass(cls):
        fields = [f"  {plugin.kind}.{f.name}={f.default!r}" for f in dataclasses.fields(cls)]
        lines += ["options and defaults:", *(fields or ["  none"])]
    if plugin.kind == "solver":
        lines += _settings(cls)
        needs = [cls.operator_type.__name__, *(["sigma"] * cls.needs_sigma), *(["gradients"] * cls.needs_grad)]
        lines += [f"needs: {', '.join(needs)}", *([f"paper: {cls.paper}"] * bool(cls.paper)), cls.bibtex]
    if plugin.kind == "metric":
        lines += [f"protocol: {cls.protocol}"]
    if plugin.kind == "prior" and hasattr(cls, "config"):
        from invbench.adm.cost import describe

        lines += describe(cls.config(), cls.native_side)
    return "\n".join(lines).rstrip() + "\n"


def _settings(cls: type[Any]) -> list[str]:
    """The sets of hyper-parameters by preset and task, with their origin."""
    from invbench.settings import tables

    lines = []
    for (preset, task), chosen in tables(cls).items():
        values = ", ".join(f"{k}={v}" for k, v in chosen.values.items())
        lines.append(f"  {f'{preset} {task}':<24} {values}  ({chosen.origin})")
    return ["set by presets:", *lines] if lines else []


def _run_help(catalog: Catalog) -> str:
    from dataclasses import fields

    from invbench.config import HELP, RunConfig

    defaults = {f.name: f.default for f in fields(RunConfig)}
    names = {kind: ", ".join(sorted(catalog.plugins[kind])) for kind in ("solver", "task", "dataset", "prior")}
    lines = [
        "Usage: invbench run solver=NAME task=NAME [key=value ...]",
        "",
        "Runs a solver on a task, prints the table of everything recorded on the same measurements, and draws it.",
        "Complete cells are not run again; interrupted ones go on at the next image.",
        "",
        "Plugins:",
        f"  benchmark={', '.join(sorted(catalog.benchmarks))}  (photos)",
        *(f"  {kind}={listed}" for kind, listed in names.items()),
        "  Their options are set as solver.nfe=50 or task.noise='gaussian 0.1 [0,1]'; see 'invbench info NAME'.",
        "",
        "Options:",
        *(f"  {key:<22} {text}" for key, text in ((f"{k}={defaults[k]}", v) for k, v in HELP.items())),
        "",
        "Several values make a sweep: invbench run solver=ddrm,wiener task=sr4,denoise seed=0,1",
        "Hydra's launchers work with -m, e.g. -m hydra/launcher=joblib; --cfg job shows the composed configuration.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
