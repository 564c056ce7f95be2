"""The modules of a documentation page as a distribution that is installed in a folder."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def install(page: str, folder: Path) -> Path:
    """Write each module of docs/PAGE under the name in its first line, and what its toml block announces."""
    text = (DOCS / page).read_text()
    for code in re.findall(r"```python\n(.*?)```", text, re.S):
        title = re.match(r'"""(\w+\.py): ', code)
        assert title, "each module begins with its name"
        (folder / title[1]).write_text(code)
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    info = folder / "mine-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1.0\n")
    entries = toml.replace("[project.entry-points.invbench]", "[invbench]").replace('"', "")
    (info / "entry_points.txt").write_text(entries)
    return folder
