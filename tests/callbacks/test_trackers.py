"""MLflow and Weights & Biases hold what the run directory holds. Each needs its extra."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from erlctl.callbacks import Mlflow, Wandb
from erlctl.errors import ErlctlError
from erlctl.runs.tables import read_table

pytestmark = pytest.mark.filterwarnings("ignore")  # of packages that are not ours


def rows_of(paths) -> dict[str, dict[int, float]]:
    """Return what a tracker must hold: name -> {step: value}."""
    evaluations = read_table(paths.evaluations).columns
    progress = read_table(paths.progress).columns
    expected = {
        f"training/{name}": {
            int(step): value for step, value in zip(progress["step"], values, strict=True)
            if np.isfinite(value)}
        for name, values in progress.items() if name != "step"
    }
    expected["evaluation/return_mean"] = {
        int(step): evaluations["return"][evaluations["step"] == step].mean()
        for step in set(evaluations["step"])
    }
    return {name: values for name, values in expected.items() if values}


def assert_equal(found, expected):
    for name, values in expected.items():
        assert found[name] == pytest.approx(values), name


class FakeWandb:
    """The part of wandb that is called; keeps what it is told."""

    def __init__(self):
        self.inits, self.rows, self.codes, self.axes = [], [], [], []

    def init(self, **options):
        self.inits.append(options)
        return SimpleNamespace(
            log=self.rows.append, summary={}, finish=self.finish,
            define_metric=lambda name, step_metric=None: self.axes.append((name, step_metric)))

    def finish(self, exit_code):
        self.codes.append(exit_code)


def test_wandb_is_told_every_row_once(watched, monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    fake.__spec__ = SimpleNamespace()
    name = "erlctl.callbacks:Wandb,project=mine,mode=offline"
    watched.train(f"{name}", "erlctl.callbacks:EarlyStopping,patience=1,min_delta=1e9")
    watched.train(name, steps=350)
    first, second = fake.inits
    assert first["id"] == second["id"] == json.loads(watched.paths.run_json.read_text())["run_id"]
    assert (first["project"], first["mode"], first["resume"]) == ("mine", "offline", "allow")
    assert first["config"]["agent.algorithm"] == "dqn"
    assert ("*", "step") in fake.axes
    assert fake.codes == [0, 0]
    found: dict[str, dict[int, float]] = {}
    for row in fake.rows:
        for key, value in row.items():
            if key != "step":
                assert row["step"] not in found.setdefault(key, {})
                found[key][row["step"]] = value
    assert_equal(found, rows_of(watched.paths))


def test_wandb_offline_writes_its_own_files(watched, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="pip install 'erlctl[wandb]'")
    monkeypatch.setenv("WANDB_SILENT", "true")
    name = f"erlctl.callbacks:Wandb,mode=offline,folder={tmp_path}"
    assert watched.train(name, steps=100).outcome.status == "complete"
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"evaluation/return_mean" in file.read_bytes()


def test_mlflow_holds_parameters_rows_and_status(watched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # artifacts lie in the working directory
    mlflow = pytest.importorskip("mlflow", reason="pip install 'erlctl[mlflow]'")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    name = f"erlctl.callbacks:Mlflow,tracking_uri={uri}"
    watched.train(name, "erlctl.callbacks:EarlyStopping,patience=1,min_delta=1e9")
    watched.train(name, steps=350)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("watched")
    (run,) = client.search_runs([experiment.experiment_id])  # two attempts, one run
    assert run.info.status == "FINISHED"
    assert run.data.params["agent.algorithm"] == "dqn"
    found = {
        key: {metric.step: metric.value
              for metric in client.get_metric_history(run.info.run_id, key)}
        for key in run.data.metrics
    }
    assert_equal(found, rows_of(watched.paths))
    assert {each.path for each in client.list_artifacts(run.info.run_id)} == {
        "spec.yaml", "run.json"}


def test_mlflow_is_told_of_a_failure(watched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # artifacts lie in the working directory
    mlflow = pytest.importorskip("mlflow", reason="pip install 'erlctl[mlflow]'")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    watched.train(f"erlctl.callbacks:Mlflow,tracking_uri={uri}",
                  "tests.callbacks.ours:Fails,at=evaluation")
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("watched").experiment_id])
    assert run.info.status == "FAILED"


class FakeMlflow:
    """A server on which another worker's experiment appears right after it was looked for."""

    def __init__(self, made):
        self._made, self.asked = made, 0
        self.begun_in = ""

    def get_experiment_by_name(self, name):
        self.asked += 1
        return SimpleNamespace(experiment_id="7") if self._made and self.asked > 1 else None

    def create_experiment(self, name):
        raise RuntimeError(f"RESOURCE_ALREADY_EXISTS: {name}")

    def search_runs(self, experiments, *_, **__):
        return []

    def create_run(self, experiment, **_):
        self.begun_in = experiment
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))


@pytest.mark.parametrize("made", [True, False])
def test_two_workers_may_begin_an_experiment_of_mlflows_at_once(monkeypatch, made):
    fake = FakeMlflow(made)
    module = SimpleNamespace(__spec__=SimpleNamespace(), MlflowClient=lambda uri: fake)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    run = SimpleNamespace(spec=SimpleNamespace(name="watched"), label="watched/dqn/seed-0")
    if made:
        Mlflow().begin(run, "id", {})
        assert fake.begun_in == "7"
    else:
        with pytest.raises(RuntimeError, match="RESOURCE_ALREADY_EXISTS"):
            Mlflow().begin(run, "id", {})


@pytest.mark.parametrize(("tracker", "package"), [(Mlflow, "mlflow"), (Wandb, "wandb")])
def test_without_the_package_the_command_is_named(monkeypatch, tracker, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ErlctlError, match=rf"pip install 'erlctl\[{package}\]'"):
        tracker()
