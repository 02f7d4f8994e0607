"""Copy runs to MLflow."""

from __future__ import annotations

import importlib
from typing import Any

from erlctl.callbacks.base import RunInfo
from erlctl.callbacks.tracking import Config, Tracker, require
from erlctl.events import Outcome

_STATUS = {"complete": "FINISHED", "interrupted": "KILLED"}  # else FAILED
_TAG = "erlctl.run_id"
_MAX_LETTERS = 500  # of a parameter's value, MLflow's limit until 2.9


class Mlflow(Tracker):
    """Writes a run of MLflow: parameters, evaluations, progress and spec.yaml as an artifact.

    Args:
        tracking_uri: Server, or a database such as sqlite:///mlflow.db, for which `pip install
            mlflow` brings the driver; MLflow 3 takes no folder. None: as MLflow finds it
            (MLFLOW_TRACKING_URI).
        experiment: MLflow's experiment; None: the name of ours.
        log_artifacts: Whether spec.yaml and run.json are copied at the end.

    Raises:
        ErlctlError: mlflow is not installed.
    """

    def __init__(
        self, *, tracking_uri: str | None = None, experiment: str | None = None,
        log_artifacts: bool = True,
    ) -> None:
        require("mlflow", "mlflow")
        self._uri, self._experiment, self._log_artifacts = tracking_uri, experiment, log_artifacts
        self._client: Any = None
        self._run_id = ""
        self._run: RunInfo | None = None

    def begin(self, run: RunInfo, run_id: str, config: Config) -> None:
        """Open the run that has our id as a tag, or a new one."""
        mlflow = importlib.import_module("mlflow")
        self._run = run
        self._client = client = mlflow.MlflowClient(self._uri)
        name = self._experiment or run.spec.name
        experiment = _experiment_id(client, name)
        earlier = client.search_runs([experiment], f"tags.`{_TAG}` = '{run_id}'", max_results=1)
        if earlier:
            self._run_id = earlier[0].info.run_id
            client.update_run(self._run_id, "RUNNING")
            return
        made = client.create_run(experiment, run_name=run.label, tags={_TAG: run_id})
        self._run_id = made.info.run_id
        for key, value in config.items():
            client.log_param(self._run_id, key, str(value)[:_MAX_LETTERS])

    def log(self, figures: dict[str, float], step: int) -> None:
        """Send figures of an environment step."""
        for name, value in figures.items():
            self._client.log_metric(self._run_id, name, value, step=step)

    def finish(self, outcome: Outcome) -> None:
        """Copy spec and facts, and close the run with our status."""
        assert self._run is not None, "`begin` comes first"
        if self._log_artifacts:
            for path in (self._run.paths.spec, self._run.paths.run_json):
                self._client.log_artifact(self._run_id, str(path))
        self._client.set_terminated(self._run_id, _STATUS.get(outcome.status, "FAILED"))


def _experiment_id(client: Any, name: str) -> str:
    """Return the id of MLflow's experiment of that name, which is made if need be."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except Exception:
            # Perhaps another worker has made it in between.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
