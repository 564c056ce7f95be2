"""A leaderboard: the released records of several people on one page, and who recorded which row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from invbench.analysis.comparable import by_measurement
from invbench.analysis.group import Group
from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.report import Section, build_section
from invbench.store.reader import LoadedCell, load_cells

if TYPE_CHECKING:
    from invbench.plugins import Catalog

FROM = "from"  # the column with the names of folders
Owners = Mapping[str, Sequence[Path]]  # by cell: the folders that contain it, of which the first is shown


def gathered(folders: Sequence[Path], filters: Mapping[str, str]) -> tuple[list[LoadedCell], Owners]:
    """The cells of some folders with their owners; a cell that several have is taken from where it has most images.

    Raises ConfigError for a folder without records, and for two of one name.
    """
    names = [folder.resolve().name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"rows are named after folders, and two are called {name!r}; rename one")
    cells: dict[str, LoadedCell] = {}
    owners: dict[str, list[Path]] = {}
    for folder in folders:
        own = load_cells(folder, **filters)
        if not own:
            chosen = "".join(f" {key}={value}" for key, value in filters.items())
            raise ConfigError(f"expected a folder that 'invbench release' wrote; {folder} has no records{chosen}")
        for cell in own:
            those = owners.setdefault(cell.id, [])
            if not those or len(cell.images) > len(cells[cell.id].images):
                cells[cell.id] = cell
                those.insert(0, folder)
            else:
                those.append(folder)
    return list(cells.values()), owners


def sections(cells: Sequence[LoadedCell], owners: Owners, catalog: Catalog) -> list[Section]:
    """A section for each measurement: its tables, with who recorded each row, and where every number comes from."""
    return [_section(group, owners, catalog) for group in by_measurement(cells)]


def _section(cells: Sequence[LoadedCell], owners: Owners, catalog: Catalog) -> Section:
    section = build_section(cells, catalog, 0, Path())
    group = Group(cells)
    names = {group.label(cell): ", ".join(folder.resolve().name for folder in owners[cell.id]) for cell in cells}
    provenance = [_named(each, owners[each["cell"]][0]) for each in section.provenance]
    return replace(section, tables=[_with_owners(table, names) for table in section.tables], provenance=provenance)


def _with_owners(table: Table, names: Mapping[str, str]) -> Table:
    """The table with a second column for the owner; a row may be a cell's, or that of the mean of its samples."""
    rows = table.frame.iloc[:, 0].astype(str)  # as they are printed
    column = [names.get(row) or names.get(row.rpartition(", mean of ")[0], "") for row in rows]
    cells = pd.concat([table.cells.iloc[:, :1], pd.DataFrame({FROM: column}), table.cells.iloc[:, 1:]], axis=1)
    groups = (table.groups[0], "", *table.groups[1:]) if table.groups else ()
    return replace(table, cells=cells, groups=groups)


def _named(provenance: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The provenance of a cell, with the folder's name in place of its path on this machine."""
    name = folder.resolve().name
    text = provenance["text"].replace(str(folder), name)
    return {**provenance, "command": f"invbench explain {provenance['cell']} --out {name}", "text": text}
