"""Launchers for tests, in the package where Hydra looks for them: ``hydra/launcher=inline`` and ``dying``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore


class Inline(BasicLauncher):
    """Runs the jobs in turn, as workers on other machines would at once."""


class Dying(BasicLauncher):
    """Loses its last worker."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        super().launch(job_overrides[:-1], initial_job_idx)
        raise RuntimeError("worker 7 was lost\nand much more")


for cls in (Inline, Dying):
    ConfigStore.instance().store(
        group="hydra/launcher", name=cls.__name__.lower(), node={"_target_": f"{cls.__module__}.{cls.__name__}"}
    )
