"""Write what commands print into the pages: python docs/update.py [--check]

A block starts with an HTML comment that holds an invbench command and ends with ``<!-- end -->``; what is between them
is replaced by the command's output as Markdown. With --check nothing is written, and the exit status is 1 where a page
differs.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from click.testing import CliRunner

from invbench.cli import main

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- invbench (?P<command>[^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def output(command: str) -> str:
    """What a command prints, as Markdown. Raises RuntimeError where it fails."""
    result = CliRunner().invoke(main, [*shlex.split(command), "--format", "md"], catch_exceptions=False)
    if result.exit_code:
        raise RuntimeError(f"invbench {command}: {result.output}")
    return re.sub("^### ", "", result.output.strip(), flags=re.MULTILINE)  # the page has headings of its own


def updated(text: str) -> str:
    """The page with its blocks regenerated."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{output(block['command'])}\n\n{block[3]}", text)


def run(check: bool) -> int:
    """Update or check every page; returns the exit status."""
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = updated(old)
        if new != old:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page} {'is not what its commands print; run: python docs/update.py' if check else 'updated'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(run("--check" in sys.argv))
