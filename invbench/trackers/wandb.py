"""Weights & Biases: a run for each cell and training, with the key as its id, so that repeating a cell resumes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, Tracker, hookimpl

if TYPE_CHECKING:
    from PIL.Image import Image


class WandbTracker(Tracker):
    """Runs of Weights & Biases, in the project of WANDB_PROJECT, or ``invbench``.

    WANDB_MODE=offline writes them to the folder ``wandb``, for ``wandb sync``.
    """

    name: ClassVar[str] = "wandb"
    summary: ClassVar[str] = "Weights & Biases (needs the extra wandb)"

    def __init__(self) -> None:
        try:
            import wandb
        except ImportError:
            raise ConfigError("track=wandb needs the package wandb: pip install 'invbench[wandb]'") from None
        self.wandb = wandb
        if os.environ.get("WANDB_MODE") in (None, "online"):
            with suppress(wandb.Error):  # in a terminal it asks for a key; ask here, before a progress bar is drawn
                wandb.login(verify=False)

    def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
        self.run = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", "invbench"),
            job_type=kind,
            name=name,
            id=key,
            config={**config},
            resume="allow",
            reinit="create_new",  # beside a run that the user started
            settings=self.wandb.Settings(console="off"),  # the command's output is about several cells
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log({**values}, step=step)

    def end(self, status: str, values: Mapping[str, float], picture: Image | None) -> None:
        if picture:
            self.run.log({"picture": self.wandb.Image(picture)})
        self.run.summary.update({**values, "status": status})
        self.run.finish(exit_code=int(status in ("interrupted", "failed")))


@hookimpl
def invbench_register_trackers() -> list[type[Tracker]]:
    return [WandbTracker]
