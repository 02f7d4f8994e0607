"""`erlctl.train` is `erlctl train`: same files, same rows, same refusals."""

from __future__ import annotations

import csv
import functools
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import erlctl
from erlctl import spec
from erlctl.api.notebook import Display
from erlctl.api.training import yaml_text
from erlctl.callbacks import EarlyStopping
from erlctl.errors import DomainError, ErlctlError, SpecError
from erlctl.events import Evaluated, Finished, Outcome, RunResult, Started, Tick
from erlctl.experiment import load_all
from erlctl.launch import pool
from tests.cli.helpers import erlctl as command
from tests.launch.specs import start_fake

DICT = {
    "name": "api",
    "environment": {"id": "CartPole-v1", "kwargs": {"time_limit": np.int64(20)}},
    "agent": {"algorithm": "dqn", "gamma": np.float32(0.5)},
    "network": {"type": "mlp", "hidden": (8,)},
    "training": {"steps": 200, "learning_starts": 50, "batch_size": 8, "replay_capacity": 200,
                 "compile": "graph"},
    "evaluation": {"every": 100, "episodes": 2},
    "logging": {"every": 50, "tensorboard": False},
    "seeds": range(2),
}
WALL_CLOCK = {"steps_per_second", "wall_seconds", "t", "seconds", "path"}


def test_nothing_heavy_is_imported_before_it_is_used():
    done = subprocess.run(
        [sys.executable, "-c", "import erlctl, sys; print(sorted({'numpy', 'yaml', 'click', "
         "'tensorflow', 'pandas', 'rich'} & set(sys.modules)), erlctl.train.__name__)"],
        capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] train"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        erlctl.trian  # noqa: B018


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        lines = [line for line in file if not line.startswith("#")]
    return [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in csv.DictReader(lines)]


@pytest.mark.slow
def test_train_writes_what_the_command_writes_and_then_skips(tmp_path):
    path = tmp_path / "api.yaml"
    path.write_text(yaml_text(DICT))
    events = []
    result = erlctl.train(DICT, runs_dir=tmp_path / "python", jobs=1, on_event=events.append,
                          quiet=True)
    line = ("train", path, "--jobs", "1", "--runs-dir", tmp_path / "shell", "--format", "json")
    said = json.loads(command(*line).out)
    assert result.exit_code == said["exit_code"] == 0
    assert [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in result.rows] == [
        {k: v for k, v in row.items() if k not in WALL_CLOCK} for row in said["rows"]]
    for seed in ("seed-0", "seed-1"):
        ours, theirs = (tmp_path / name / "api" / "dqn" / seed for name in ("python", "shell"))
        assert (ours / "spec.yaml").read_bytes() == (theirs / "spec.yaml").read_bytes()
        for name in ("evaluations.csv", "progress.csv", "monitor.csv"):
            assert rows_of(ours / name) == rows_of(theirs / name)
            assert rows_of(ours / name)
    assert len(result.runs) == 2
    assert sum(isinstance(event, Evaluated) for event in events) == 4
    again = erlctl.train(path, runs_dir=tmp_path / "python", quiet=True)
    assert [row["status"] for row in again.rows] == ["skipped", "skipped"]
    assert json.loads(command(*line).out)["rows"][0]["status"] == "skipped"


@pytest.mark.slow
def test_callbacks_are_the_same_from_python_and_from_the_command(tmp_path):
    path = tmp_path / "api.yaml"
    path.write_text(yaml_text({**DICT, "seeds": 1}))
    callback = functools.partial(EarlyStopping, patience=None, threshold=1)
    result = erlctl.train(path, runs_dir=tmp_path / "python", callbacks=[callback], quiet=True)
    said = json.loads(command(
        "train", path, "--runs-dir", tmp_path / "shell", "--format", "json", "--callback",
        "erlctl.callbacks:EarlyStopping,patience=null,threshold=1").out)
    for (row,) in (result.rows, said["rows"]):
        assert (row["status"], row["step"]) == ("complete", 100)
        assert "has reached 1 (erlctl.callbacks" in row["reason"]
    again = command("train", path, "--runs-dir", tmp_path / "shell")
    assert again.code == 0
    assert "already complete at step 100, skipped: stopped early" in again.err


@pytest.fixture
def fake_workers(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_COMPILATIONS", str(tmp_path / "compilations"))
    monkeypatch.setitem(pool.run_all.__kwdefaults__, "start_worker", start_fake)


def test_a_dictionary_means_what_the_same_file_means(tmp_path):
    path = tmp_path / "api.yaml"
    path.write_text(yaml_text({**DICT, "sweep": {"agent.gamma": [0.9, 1e-7]}, "name": "y"}))
    (experiment,) = load_all([str(path)])
    assert [run.agent.gamma for run in experiment.runs] == [0.9, 0.9, 1e-7, 1e-7]
    assert {run.name for run in experiment.runs} == {"y"}  # the letter is a truth value in YAML 1.1
    assert experiment.runs[0].environment.kwargs["time_limit"] == 20


def test_every_mistake_of_a_dictionary_comes_at_once_and_names_the_field(tmp_path):
    broken = {**DICT, "agent": {"algorithm": "dqn", "gamma": 3}, "seed_s": 1,
              "environment": {"id": "CartPole-v7"}}
    with pytest.raises(SpecError) as caught:
        erlctl.train(broken, runs_dir=tmp_path)
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "<dict>: agent.gamma: " in text
    assert "<dict>: environment.id: unknown environment 'CartPole-v7'" in text
    assert not list(tmp_path.iterdir())
    with pytest.raises(SpecError, match=r"agent\.gamma: expected a number.*\n.*seeds"):
        erlctl.train({"seeds": {1}, "agent": {"gamma": object()}}, runs_dir=tmp_path)


@pytest.mark.usefixtures("fake_workers")
def test_overrides_seeds_and_selection_are_those_of_the_command(tmp_path):
    swept = {**DICT, "sweep": {"agent.gamma": [0.9, 0.99], "training.train_every": [1, 2]}}
    result = erlctl.train(
        swept, overrides={"training.steps": 60, "network.hidden": [4]}, seeds="3,5",
        where=["agent.gamma=0.9"], variants=["*=2"], runs_dir=tmp_path / "runs", quiet=True)
    (tmp_path / "s.yaml").write_text(yaml_text(swept))
    said = command(
        "train", tmp_path / "s.yaml", "--set", "training.steps=60", "--set", "network.hidden=[4]",
        "--seeds", "3,5", "--where", "agent.gamma=0.9", "--variant", "*=2", "--runs-dir",
        tmp_path / "other", "--format", "json")
    assert [row["run"] for row in result.rows] == [
        row["run"] for row in json.loads(said.out)["rows"]]
    assert [row["steps"] for row in result.rows] == [60, 60]
    run = spec.load_run(Path(result.rows[0]["path"]) / "spec.yaml")
    assert (run.agent.gamma, run.training.train_every, run.seed) == (0.9, 2, 3)
    with pytest.raises(ErlctlError, match="none of the 8 runs"):
        erlctl.train(swept, where=["agent.gamma=0.5"], runs_dir=tmp_path / "runs", quiet=True)


@pytest.mark.usefixtures("fake_workers")
@pytest.mark.parametrize(("seeds", "expected"), [
    ((2, 3), [2, 3]), (range(1), [0]), (np.arange(2), [0, 1]), ([3], [3]),
    ([np.int64(4)], [4]), (np.int64(1), [0]), ("4,7-8", [4, 7, 8]),
])
def test_seeds_may_be_any_sequence_of_whole_numbers(tmp_path, seeds, expected):
    result = erlctl.train(DICT, seeds=seeds, runs_dir=tmp_path, quiet=True)
    assert [row["run"] for row in result.rows] == [f"api/dqn/seed-{seed}" for seed in expected]


@pytest.mark.parametrize("seeds", [[0, 1.5], [-1], [True], ["0"], [], {0, 1}, 2.5, [[0]]])
def test_what_are_no_seeds_is_refused_by_the_arguments_name(tmp_path, seeds):
    with pytest.raises(DomainError, match=r"^seeds must be a number of seeds .* whole numbers"):
        erlctl.train(DICT, seeds=seeds, runs_dir=tmp_path)


@pytest.mark.usefixtures("fake_workers")
def test_a_failed_run_is_a_result(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "1:diverge")
    result = erlctl.train(DICT, runs_dir=tmp_path / "runs", quiet=True)
    assert [each.status for each in result.results] == ["complete", "diverged"]
    assert result.exit_code == 4
    assert "diverged" in repr(result)


@pytest.mark.usefixtures("fake_workers")
def test_an_experiment_is_trained_as_it_is(tmp_path, capfd):
    (tmp_path / "api.yaml").write_text(yaml_text(DICT))
    (experiment,) = load_all([str(tmp_path / "api.yaml")])
    result = erlctl.train(experiment, runs_dir=tmp_path / "runs")
    assert [each.status for each in result.results] == ["complete", "complete"]
    assert "2 of 2 runs to train" in capfd.readouterr().err
    with pytest.raises(DomainError, match="resolved already"):
        erlctl.train(experiment, seeds=3, runs_dir=tmp_path / "runs")


def test_what_the_command_refuses_python_refuses(tmp_path):
    own = {**DICT, "environment": {"id": "nobody:Env", "backend": "python"}}
    with pytest.raises(ErlctlError, match="--trust nobody"):
        erlctl.train(own, runs_dir=tmp_path, quiet=True)
    with pytest.raises(ErlctlError, match=r"--trust tests\.callbacks\.ours"):
        erlctl.train(DICT, callbacks=["tests.callbacks.ours:Notes,path=x"], runs_dir=tmp_path,
                     quiet=True)
    with pytest.raises(ErlctlError, match="unexpected keyword"):
        erlctl.train(DICT, callbacks=["erlctl.callbacks:EarlyStopping,wait=3"], runs_dir=tmp_path,
                     quiet=True)
    assert not list(tmp_path.iterdir())


def test_a_search_is_refused_in_the_words_of_the_command(tmp_path):
    text = yaml_text(DICT) + (
        "search: {space: {agent.temperature: {type: float, low: 1e-3, high: 1}}}\n")
    path = tmp_path / "api.yaml"
    path.write_text(text.replace(": dqn", ": munchausen_dqn"))
    with pytest.raises(SpecError, match="this spec has a search section: run erlctl tune") as told:
        erlctl.train(path, runs_dir=tmp_path / "runs", quiet=True)
    said = command("train", path, "--runs-dir", tmp_path / "runs")
    assert (said.code, str(told.value) in said.err) == (2, True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("fake_workers")
def test_what_a_search_chose_is_noted_as_the_command_does(tmp_path):
    erlctl.train({**DICT, "tuned": {"dqn": 30}}, runs_dir=tmp_path / "runs", quiet=True)
    (path,) = (tmp_path / "runs").glob("*/dqn/tuning.json")
    assert json.loads(path.read_text())["trials"] == 30


def test_a_missing_initial_checkpoint_names_the_field(tmp_path):
    tuned = {**DICT, "training": {**DICT["training"], "initial_checkpoint": "no/run"}}
    with pytest.raises(
        SpecError, match=r"<dict>: training\.initial_checkpoint: there is no run no/run"
    ):
        erlctl.train(tuned, runs_dir=tmp_path / "runs", quiet=True)


@pytest.mark.parametrize("wish", [
    {"jobs": 0}, {"cores": -1}, {"max_seconds": 0}, {"max_memory": float("nan")},
    {"device": "tpu"}, {"overrides": "training.steps=9"}, {"launcher_options": "a=1"}])
def test_what_no_option_takes_is_refused(wish, tmp_path):
    with pytest.raises(DomainError, match=rf"^{next(iter(wish))} must be"):
        erlctl.train(DICT, runs_dir=tmp_path / "runs", quiet=True, **wish)
    assert not (tmp_path / "runs").exists()


def test_another_thread_is_refused_before_anything_is_done(tmp_path):
    found = []

    def call():
        try:
            erlctl.train(DICT, runs_dir=tmp_path)
        except DomainError as error:
            found.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "main thread" in found[0]


class Handle:
    def __init__(self):
        self.pages = []

    def update(self, shown):
        self.pages.append(shown._repr_html_())


def test_a_notebook_sees_progress_and_what_was_said():
    display = Display([("a/<b>/seed-0", 100), ("a/c/seed-0", 100)])
    display._handle = handle = Handle()
    display.say("TensorFlow starts ...")
    display(Started("a/<b>/seed-0", 0, 100, False))
    display(Tick("a/<b>/seed-0", 40, 20.0))
    page = display._repr_html_()
    assert "TensorFlow starts" in handle.pages[0]
    assert '<progress max="100" value="40">' in page
    assert "a/&lt;b&gt;/seed-0" in page
    assert "<b>/" not in page
    outcome = Outcome("complete", 100)
    result = RunResult(label="a/<b>/seed-0", root="r", outcome=outcome, total_steps=100)
    display(Finished("a/<b>/seed-0", result))
    display.__exit__(None, None, None)
    assert "1 of 2 runs done" in handle.pages[-1]
    assert "complete at step 100" in repr(display)
