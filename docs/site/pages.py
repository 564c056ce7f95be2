"""Pages of the site that are made while it is built, and links of pages to what lies outside the folder docs."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

import invbench
from invbench.cli import main
from invbench.cli.help import HELP
from invbench.plugins import load_catalog

ROOT = Path(__file__).parents[2]
TAKEN = {  # files of the repository that are pages, too
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "invbench/priors/adm/weights/README.md": "prior.md",
    "examples/compare_solvers.ipynb": "compare.md",
    "examples/write_a_solver.ipynb": "write.md",
}
SOURCE = {page: file for file, page in TAKEN.items()}
TITLES = {"overview.md": "Everything at a glance", "prior.md": "The prior that ships"}
LINK = re.compile(r"\[(?P<words>[^\]\[]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
ADR = ROOT / "docs" / "adr"
PYTHON = {  # the modules whose public names a page of the reference has
    "run": ("Run, load, restore", ("api.running", "api.restoring", "errors")),
    "plugins": ("Plugins", ("hookspecs", "solver", "task", "dataset", "images", "metric", "tracker", "problem", "rng")),
    "operators": ("Operators and noise", ("operator", "linops", "own_operator", "noise", "noise_model", "level")),
    "priors": ("Priors and schedules", ("prior", "priors", "schedule", "sampling")),
    "training": ("Training", ("training", "trained", "optimisation")),
    "files": ("Files", ("artifacts", "weights", "image_files", "dotted")),
    "deepinv": ("deepinv", ("adapters",)),
}
RESULTS = ("api.results.Results", "api.results.Tables", "api.results.Picture", "api.restored.Restored")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decisions in the navigation."""
    for item in config.nav or []:
        if "Decisions" in item:
            item["Decisions"] = [f"adr/{path.name}" for path in sorted(ADR.glob("*.md"))]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages made of commands, docstrings and files elsewhere, and the files that pages link to."""
    made = {**taken(), "commands.md": commands(), "installed.md": installed(), **python_pages()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for name in ("style.css", "iframe-worker.js"):
        files.append(File.generated(config, name, content=(Path(__file__).parent / name).read_text()))
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for path in sorted({path for name, text in pages.items() for path in linked(name, text)}):
        file = File.generated(config, in_site(path), abs_src_path=str(path))
        file.inclusion = InclusionLevel.INCLUDED  # also those in hidden folders
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links to where their targets are in the site; of a folder of the repository the words alone remain."""
    name = page.file.src_uri
    if name in TITLES:
        page.meta["title"] = TITLES[name]

    def pointed(link: re.Match[str]) -> str:
        path = in_repository(name, link["target"])
        if path is None:
            return link[0]
        if path.is_dir() and path != ADR:
            return link["words"]
        to = posixpath.relpath(in_site(path), posixpath.dirname(name) or ".")
        return f"[{link['words']}]({to}{link['anchor'] or ''})"

    return LINK.sub(pointed, markdown)


def in_repository(page: str, target: str) -> Path | None:
    """The file or folder of the repository that a page links to; None where there is none."""
    source = ROOT / SOURCE.get(page, f"docs/{page}")
    path = (source.parent / target).resolve()
    return path if path.is_relative_to(ROOT) and path.exists() else None


def in_site(path: Path) -> str:
    """Where a file of the repository lies in the site."""
    if path == ADR:
        return f"adr/{min(ADR.glob('*.md')).name}"
    name = path.relative_to(ROOT).as_posix()
    return TAKEN.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else f"files/{name}")


def linked(page: str, text: str) -> Iterator[Path]:
    """Files outside the folder docs that a page links to, and that are no pages."""
    for link in LINK.finditer(text):
        path = in_repository(page, link["target"])
        if path and path.is_file() and in_site(path).startswith("files/"):
            yield path


def taken() -> dict[str, str]:
    """The pages that are files elsewhere in the repository."""
    texts = {page: (ROOT / file).read_text(encoding="utf-8") for file, page in TAKEN.items()}
    return {page: notebook(text) if SOURCE[page].endswith(".ipynb") else text for page, text in texts.items()}


def notebook(text: str) -> str:
    """The cells of a notebook as Markdown."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    return "\n\n".join(source if kind == "markdown" else fenced(source, "python") for kind, source in cells)


def fenced(text: str, language: str = "text") -> str:
    """Text as a block of code."""
    return f"~~~{language}\n{text.strip()}\n~~~"


def printed(*words: str) -> str:
    """What a command prints, as a block."""
    result = CliRunner().invoke(main, words, prog_name="invbench", catch_exceptions=False)
    if result.exit_code:
        raise PluginError(f"invbench {' '.join(words)}: {result.output}")
    return fenced(result.output)


def commands() -> str:
    """The help of every command."""
    groups = {group: list(names) for group, names in HELP.items()}
    rest = sorted(set(main.commands) - {name for names in groups.values() for name in names})
    parts = ["# Commands", "What each prints with `--help`.", printed("--help")]
    for group, names in {**groups, **({"Others": rest} if rest else {})}.items():
        parts += [f"## {group}", *(text for name in names for text in (f"### {name}", printed(name, "--help")))]
    return "\n\n".join(parts)


def installed() -> str:
    """What every plugin of ours says of itself."""
    parts = ["# Installed plugins", "What `invbench info NAME` prints of each."]
    for kind, plugins in load_catalog().plugins.items():
        parts.append(f"## {kind.capitalize()}s")
        parts += [text for name in sorted(plugins) for text in (f"### {name}", printed("info", name))]
    return "\n\n".join(parts)


def python_pages() -> dict[str, str]:
    """The reference of Python, from docstrings. Raises PluginError where a public name is on no page."""
    homes = re.findall(r"^from \.([\w.]+) import (\w+)", (ROOT / "invbench" / "__init__.pyi").read_text(), re.MULTILINE)
    pages, missing = {}, set(invbench.__all__)
    for page, (title, modules) in PYTHON.items():
        names = [name for home, name in homes if any(home == m or home.startswith(f"{m}.") for m in modules)]
        missing -= set(names)
        more = RESULTS if page == "run" else ()
        pages[f"reference/{page}.md"] = f"# {title}\n\n" + "\n\n".join(f"::: invbench.{n}" for n in (*names, *more))
    if missing:
        raise PluginError(f"public names on no page of the reference: {', '.join(sorted(missing))}; see PYTHON")
    return pages
