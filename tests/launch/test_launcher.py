"""Launchers by name, their options, what they are told, and events on their way."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import pytest

from erlctl import events, registry, spec
from erlctl.errors import SpecError, UnknownNameError
from erlctl.events import Ended, Outcome, StopReason
from erlctl.fields import option
from erlctl.launch import launcher, machine
from erlctl.launch.launchers import local
from erlctl.launch.launchers.local import Local
from erlctl.launch.plan import plan_runs, prepare
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths
from tests.cli.helpers import erlctl as command


@dataclass(frozen=True, kw_only=True)
class Elsewhere(launcher.Launcher):
    """Trains nothing: says that every run is complete."""

    partition: str = option("short", "Queue.")
    hours: int = option(1, "Limit.")

    def launch(self, batch, on_event):
        tally = launcher.Tally(batch, on_event)
        for planned in batch.plan:
            tally.assigned(planned.label)
            tally.ended(planned.label, Outcome("complete", planned.run.training.steps))
        return tally.result(None)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, "CONFIG", tmp_path / "launchers.yaml")
    registry.all_of("launcher")
    monkeypatch.setitem(registry._entries["launcher"], "elsewhere", Elsewhere)
    return tmp_path / "launchers.yaml"


def test_workers_share_the_gpus_evenly(monkeypatch):
    class FakeWorker:
        is_alive = True

        def __init__(self, cores, *, device, gpu):
            self.seen = cores, device, gpu

    monkeypatch.setattr(local, "WorkerProcess", FakeWorker)
    start = local._OnGpus(["0", "GPU-8a"]).start
    workers = [start(1) for _ in range(3)]
    assert [worker.seen for worker in workers] == [
        (1, "gpu", "0"), (1, "gpu", "GPU-8a"), (1, "gpu", "0")]
    workers[1].is_alive = False
    assert start(2).seen == (2, "gpu", "GPU-8a")


def test_a_run_on_a_gpu_that_is_not_there_starts_nothing(make_spec, runs_dir, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "gpus", list)
    for jobs in ([], ["--jobs", 2]):
        result = command("train", make_spec(), "--device", "gpu", "--runs-dir", runs_dir, *jobs)
        assert (result.code, result.out) == (1, "")
        assert "--device gpu: no NVIDIA GPU here (there is no /dev/nvidia0)" in result.err
        assert "fix: train with --device cpu" in result.err
    assert not list(runs_dir.rglob("run.json"))


@pytest.mark.parametrize("where", [
    ["--launcher", "ray"], ["--launcher", "slurm"], ["--launcher", "slurm", "--detach"],
    ["--device", "gpu"],
])
def test_complete_runs_ask_for_no_place(make_batch, make_spec, runs_dir, monkeypatch, where):
    make_batch(seeds=2).train()
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "gpus", list)
    result = command("train", make_spec(seeds=2), "--runs-dir", runs_dir, *where)
    assert (result.code, result.out.count("skipped")) == (0, 2), result.err


def test_gpus_decide_how_many_runs_are_trained_at_once(monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: ["0", "1", "2"])
    assert Local().capacity(None, "gpu") == 3


def test_a_launcher_is_found_by_name_with_its_defaults():
    assert launcher.make("local") == Local()
    with pytest.raises(UnknownNameError, match="did you mean 'local'"):
        launcher.make("locl")


def test_options_come_from_the_file_and_are_overridden_by_the_command_line(elsewhere):
    elsewhere.write_text("elsewhere: {partition: long, hours: 7}\n")
    assert launcher.make("elsewhere") == Elsewhere(partition="long", hours=7)
    assert launcher.make("elsewhere", ["hours=2"]) == Elsewhere(partition="long", hours=2)


@pytest.mark.parametrize(("options", "words"), [
    (["hour=2"], "--launcher-option[1]: hour: unknown key 'hour'; did you mean 'hours'"),
    (["hours=many"], "hours"), (["hours"], "--launcher-option[1]: expected KEY=VALUE, got 'hours'"),
])
def test_a_wrong_option_is_refused_with_the_nearest_name(options, words):
    with pytest.raises(SpecError) as caught:
        launcher.make("elsewhere", options)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["elswhere: {}\n", "elsewhere: 3\n", "elsewhere: {x: 1}\n"])
def test_a_wrong_file_is_refused_with_its_place(elsewhere, text):
    elsewhere.write_text(text)
    with pytest.raises(SpecError, match=r"launchers\.yaml:1:"):
        launcher.make("elsewhere")


def test_results_stand_in_the_order_of_the_plan(make_spec, runs_dir):
    plan = plan_runs(spec.load(make_spec(seeds=3)).runs, runs_dir=runs_dir)
    said = []
    result = Elsewhere().launch(launcher.Batch(plan=plan, runs_dir=runs_dir), said.append)
    assert [entry.label for entry in result.results] == [entry.label for entry in plan]
    assert [event.result for event in said] == result.results
    assert result.exit_code == 0


def test_each_run_has_its_share_of_the_cores(monkeypatch, runs_dir):
    monkeypatch.setattr(machine, "usable_cores", lambda: 6)
    assert launcher.Batch(plan=(), runs_dir=runs_dir).cores_of_each(3) == 2
    assert launcher.Batch(plan=(), runs_dir=runs_dir, cores=5).cores_of_each(3) == 5


@pytest.mark.parametrize("event", [
    events.Ready(), events.Compiling("a"), events.Compiled("a", 1.5),
    events.Started("a", 0, 9, is_resumed=False), events.Tick("a", 3, 2.0),
    events.Evaluated("a", 3, 5, 1.0, 0.5, 9.0), events.Saved("a", 3), events.Message("a", "x"),
    Ended("a", Outcome("complete", 9), 1.0),
    Ended("a", Outcome("failed", 3, "9 GB", StopReason("memory_limit", message="9 GB")), 1.0,
          is_spent=True),
    Ended("a", Outcome("interrupted", 3, "x", StopReason("signal", 15)), 1.0),
])
def test_an_event_is_the_same_after_a_pipe(event):
    assert events.from_json(json.loads(json.dumps(events.to_json(event)))) == event


@pytest.mark.parametrize("message", [
    {"event": "nothing"}, {"event": "tick"}, {"event": "tick", "colour": 3}, {},
    {"event": "refresh"},
])
def test_what_is_no_event_is_refused(message):
    with pytest.raises(ValueError, match="not an event"):
        events.from_json(message)


@pytest.mark.parametrize(("reason", "code"), [
    (StopReason("signal", 2), 130), (StopReason("signal", 15), 143), (StopReason("signal", 1), 129),
    (StopReason("signal", 10), 75), (StopReason("signal", 12), 75), (StopReason("time_budget"), 75),
])
def test_a_reason_to_stop_has_its_exit_code(reason, code):
    assert reason.exit_code == code


def test_a_living_holder_without_a_dead_parent_is_not_waited_for(make_spec, runs_dir):
    runs = spec.load(make_spec()).runs
    paths = RunPaths.of(runs_dir, runs[0])
    paths.root.mkdir(parents=True)
    said = []
    with lock.hold(paths.lock):
        prepare(runs, runs_dir=runs_dir, say=said.append)
        assert plan_runs(runs, runs_dir=runs_dir)[0].action == "busy"
    assert said == []


def test_the_remains_in_a_complete_run_are_swept(make_spec, runs_dir):
    runs = spec.load(make_spec()).runs
    paths = RunPaths.of(runs_dir, runs[0])
    (paths.root / ".tmp-1-abc").mkdir(parents=True)
    prepare(runs, runs_dir=runs_dir, say=pytest.fail)
    assert not (paths.root / ".tmp-1-abc").exists()


def test_a_missing_initial_checkpoint_is_refused_before_anything_starts(make_spec, runs_dir):
    text = make_spec().read_text().replace(
        "learning_starts: 1", "learning_starts: 1, initial_checkpoint: runs/nope@best")
    path = make_spec()
    path.write_text(text)
    with pytest.raises(SpecError, match="there is no run runs/nope"):
        plan_runs(spec.load(path).runs, runs_dir=runs_dir)
    assert not runs_dir.exists()
