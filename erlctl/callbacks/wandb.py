"""Copy runs to Weights & Biases."""

from __future__ import annotations

import importlib
from typing import Any

from erlctl.callbacks.base import RunInfo
from erlctl.callbacks.tracking import Config, Tracker, require
from erlctl.events import Outcome


class Wandb(Tracker):
    """Writes a run of Weights & Biases; environment steps are the x axis.

    Args:
        project: Project; None: the name of our experiment.
        entity: User or team; None: as wandb finds it.
        mode: "online", "offline" (writes below `folder`; `wandb sync` sends it later) or
            "disabled"; None: as wandb finds it (WANDB_MODE).
        folder: Where wandb puts its files; None: as wandb finds it (./wandb).

    Raises:
        ErlctlError: wandb is not installed.
    """

    def __init__(
        self, *, project: str | None = None, entity: str | None = None, mode: str | None = None,
        folder: str | None = None,
    ) -> None:
        require("wandb", "wandb")
        self._project, self._entity, self._mode, self._folder = project, entity, mode, folder
        self._run: Any = None

    def begin(self, run: RunInfo, run_id: str, config: Config) -> None:
        """Open the run of our id, or continue it."""
        wandb = importlib.import_module("wandb")
        self._run = wandb.init(
            project=self._project or run.spec.name, entity=self._entity, mode=self._mode,
            dir=self._folder, id=run_id, resume="allow", name=run.label, group=run.spec.variant,
            config=config,
        )
        # wandb's own step only rises; rows of progress come after the evaluations between them.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, figures: dict[str, float], step: int) -> None:
        """Send figures of an environment step."""
        self._run.log({**figures, "step": step})

    def finish(self, outcome: Outcome) -> None:
        """Close the run; only a complete one has exit code 0."""
        self._run.summary["status"] = outcome.status
        self._run.finish(exit_code=0 if outcome.status == "complete" else 1)
