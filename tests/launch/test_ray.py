"""The Ray launcher without Ray: what is refused, and that the pool goes on elsewhere."""

from __future__ import annotations

import contextlib
import importlib
import socket
import sys
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

import erlctl
from erlctl import spec
from erlctl.errors import ErlctlError, SpecError
from erlctl.events import Message
from erlctl.launch import launcher
from erlctl.launch.actors import Place, check_place, look_around
from erlctl.launch.launchers.ray import Ray
from erlctl.launch.plan import plan_runs
from erlctl.launch.pool import LOST_PATIENCE_SECONDS
from erlctl.launch.process import WorkerProcess
from erlctl.launch.worker import Job, StopRequest, Worker
from erlctl.runs import lock
from tests.cli.helpers import erlctl as command
from tests.launch.specs import FAKE_WORKER


class Elsewhere(WorkerProcess):
    """A worker whose death counts as that of its node."""

    is_lost = True
    jobs: ClassVar[list[Job]] = []

    def __init__(self, cores):
        super().__init__(cores, FAKE_WORKER)

    def train(self, task, job):
        self.jobs.append(job)
        super().train(task, job)


def test_a_run_whose_node_is_lost_goes_on_elsewhere(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "1:once-kill")
    monkeypatch.setattr(Elsewhere, "jobs", [])
    batch = make_batch(seeds=3)
    result = batch.train(start_worker=Elsewhere, retries=1, fresh=True)
    assert [entry.status for entry in result.results] == ["complete"] * 3
    assert result.exit_code == 0
    said = [event.text for event in batch.events if isinstance(event, Message)]
    assert said == ["killed by SIGKILL (out of memory?); goes on elsewhere from its last "
                    "checkpoint"]
    assert [(job.fresh, job.patience_seconds) for job in Elsewhere.jobs].count((True, 0.0)) == 3
    assert (False, LOST_PATIENCE_SECONDS) in [
        (job.fresh, job.patience_seconds) for job in Elsewhere.jobs]


def test_a_run_that_is_lost_too_often_fails_alone(make_batch, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "1:kill")
    batch = make_batch(seeds=3)
    result = batch.train(start_worker=Elsewhere, retries=2)
    assert [entry.status for entry in result.results] == ["complete", "failed", "complete"]
    assert sum(isinstance(event, Message) for event in batch.events) == 2


def test_a_run_waits_for_the_process_whose_machine_was_lost(tmp_path):
    path = tmp_path / ".lock"
    waiting = Worker(None, None, None, StopRequest())
    with contextlib.ExitStack() as held:
        held.enter_context(lock.hold(path))
        waiting._wait_for(path, time.monotonic() + 0.1)
        assert lock.is_held(path)
        threading.Timer(0.5, held.close).start()
        waiting._wait_for(path, time.monotonic() + 60)
        assert not lock.is_held(path)


def test_importing_the_launchers_does_not_import_ray():
    importlib.import_module("erlctl.launch.launchers.ray")
    importlib.import_module("erlctl.launch.actors")
    assert isinstance(launcher.make("ray"), Ray)
    assert "ray" not in sys.modules


def test_options_of_the_runtime_environment_are_typed():
    made = launcher.make("ray", ["runtime_env.pip=[gymnasium]", "ship=true", "max_retries=0"])
    assert made._runtime_env() == {
        "pip": ["gymnasium"], "py_modules": [str(erlctl.__path__[0])]}
    with pytest.raises(SpecError, match="max_retries"):
        launcher.make("ray", ["max_retries=-1"])


def test_without_ray_one_line_says_how_to_install_it(make_spec, runs_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir)
    assert result.code == 1
    assert "fix: pip install 'erlctl[ray]'" in result.err
    assert not runs_dir.exists()


class FakeRay(SimpleNamespace):
    """As much of Ray as is asked before anything is started."""

    def __init__(self, nodes=()):
        super().__init__(nodes=lambda: list(nodes), is_initialized=lambda: False,
                         shutdown=lambda: None)

    def init(self, address, **_):
        if address == "auto":
            raise ConnectionError("Could not find any running Ray instance.\nPlease specify ...")


@pytest.fixture
def fake_ray(monkeypatch):
    def install(*nodes):
        monkeypatch.setitem(sys.modules, "ray", FakeRay(nodes))

    return install


def node(cores, is_alive=True):
    return {"Alive": is_alive, "Resources": {"CPU": float(cores)}}


def test_no_cluster_is_one_line_with_the_mend(make_spec, runs_dir, fake_ray):
    fake_ray()
    result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir)
    assert result.code == 1
    assert "no cluster at address=auto: Could not find any running Ray instance\n" in result.err
    assert "fix: start one with `ray start --head`" in result.err
    assert not runs_dir.exists()


def test_an_address_that_nobody_answers_at_is_found_out_at_once(make_spec, runs_dir, fake_ray):
    fake_ray()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
        result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir,
                         "--launcher-option", f"address={address}")
    assert result.code == 1
    assert f"nobody answers at address={address}" in result.err
    assert "`ray status`" in result.err
    assert not runs_dir.exists()


def test_there_is_room_for_a_run_on_every_core_of_living_nodes(fake_ray):
    fake_ray(node(8), node(3), node(64, is_alive=False), {"Alive": True, "Resources": {}})
    assert Ray(address="local").capacity(None) == 11
    assert Ray(address="local").capacity(2) == 5


def test_a_cluster_without_enough_cores_is_refused(make_spec, runs_dir, fake_ray):
    fake_ray(node(4), node(2))
    result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir,
                     "--launcher-option", "address=local", "--cores", 8)
    assert result.code == 1
    assert "no node of the Ray cluster has 8 cores" in result.err


def test_initial_weights_of_this_machine_are_refused_under_sync(tmp_path, runs_dir, make_batch):
    (run,) = make_batch().runs
    (planned,) = plan_runs([run], runs_dir=runs_dir)
    text = spec.dump(run).replace("initial_checkpoint: null", "initial_checkpoint: runs/a@best")
    changed = SimpleNamespace(label=planned.label, is_final=False,
                              run=spec.parse_run(text.encode(), "here"))
    with pytest.raises(ErlctlError, match="not see under sync=true"):
        Ray(sync=True).launch(launcher.Batch(plan=[changed], runs_dir=runs_dir), print)


def test_a_node_that_shares_the_runs_directory_is_taken(tmp_path):
    check_place(look_around(str(tmp_path), "abc"), tmp_path, "abc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_node_that_shares_no_runs_directory_is_refused(tmp_path, has_folder):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    if has_folder:
        theirs.mkdir()
    with pytest.raises(ErlctlError, match=r"is not shared with .*\n  fix: --launcher-option sync"):
        check_place(look_around(str(theirs), "abc"), mine, "abc")


def test_a_node_with_another_erlctl_is_refused():
    with pytest.raises(ErlctlError, match=r"h has erlctl 0\.0\.0, here is .*\n.*ship=true"):
        check_place(Place(host="h", version="0.0.0"), None, "abc")
