"""The Ray launcher without Ray: what is refused, and that the pool goes on elsewhere."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
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
from erlctl.events import Message, Started
from erlctl.launch import actors, launcher
from erlctl.launch.actors import check_place, new_token
from erlctl.launch.job import Job
from erlctl.launch.launchers.ray import Ray
from erlctl.launch.node import Place, look_around
from erlctl.launch.plan import plan_runs
from erlctl.launch.pool import LOST_PATIENCE_SECONDS
from erlctl.launch.process import WorkerProcess
from erlctl.launch.worker import StopRequest, Worker
from erlctl.runs import lock
from erlctl.runs.layout import RunPaths
from tests.cli.helpers import erlctl as command
from tests.launch.fakes import read_step
from tests.launch.specs import FAKE_WORKER, start_fake


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


@contextlib.contextmanager
def answering(answer):
    """Yield the address of a server that says `answer` to the first who comes, or nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            with server.accept()[0] as connection:
                connection.recv(100)
                if answer is None:
                    connection.recv(100)  # until the other side goes
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        thread.join()


@pytest.mark.parametrize(("answer", "problem"), [
    (None, "no answer within 0.3 s"), (b"HTTP/1.0 400 Bad Request", "what answers there is not"),
    (b"", "what answers there is not"),
])
@pytest.mark.parametrize("is_from_environment", [False, True])
def test_a_server_that_never_answers_or_is_no_ray_is_one_line(
    answer, problem, is_from_environment, make_spec, runs_dir, fake_ray, monkeypatch
):
    fake_ray()
    monkeypatch.setattr("erlctl.launch.launchers.ray._CONNECT_SECONDS", 0.3)
    with answering(answer) as address:
        if is_from_environment:
            monkeypatch.setenv("RAY_ADDRESS", address)
        option = () if is_from_environment else ("--launcher-option", f"address={address}")
        result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir, *option)
    assert result.code == 1
    assert f"nobody answers at address={address}: {problem}" in result.err
    assert not runs_dir.exists()


def test_a_grpc_server_is_taken_for_ray(fake_ray):
    fake_ray(node(2))
    with answering(bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))) as address:
        assert Ray(address=address).capacity(None) == 2


def test_a_cluster_that_answers_by_halves_is_given_up(make_spec, runs_dir, fake_ray, monkeypatch):
    fake_ray()
    over = threading.Event()
    monkeypatch.setattr(sys.modules["ray"], "init", lambda **_: over.wait(60))
    monkeypatch.setattr("erlctl.launch.launchers.ray._INIT_SECONDS", 0.2)
    result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir)
    over.set()
    assert result.code == 1
    assert "no cluster at address=auto: no answer within 0.2 s" in result.err


def test_there_is_room_for_a_run_on_every_core_of_living_nodes(fake_ray):
    fake_ray(node(8), node(3), node(64, is_alive=False), {"Alive": True, "Resources": {}})
    assert Ray(address="local").capacity(None) == 11
    assert Ray(address="local").capacity(2) == 5


def test_a_run_on_a_gpu_takes_one(fake_ray, make_spec, runs_dir):
    with_gpus = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    fake_ray(node(8), with_gpus)
    assert Ray(address="local").capacity(1, "gpu") == 2
    fake_ray(node(8))
    result = command("train", make_spec(), "--launcher", "ray", "--runs-dir", runs_dir,
                     "--launcher-option", "address=local", "--device", "gpu")
    assert result.code == 1
    assert "no node of the Ray cluster has 1 cores and a GPU" in result.err


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
    with new_token(tmp_path) as token:
        check_place(look_around(str(tmp_path), token), tmp_path, token)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_node_that_shares_no_runs_directory_is_refused_and_keeps_nothing(tmp_path, has_folder):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    if has_folder:
        theirs.mkdir()
    refused = pytest.raises(
        ErlctlError, match=r"is not shared with .*\n  fix: --launcher-option sync")
    with refused, new_token(mine) as token:
        check_place(look_around(str(theirs), token), mine, token)
    assert [path for folder in (mine, theirs) for path in folder.glob("*")] == []


def test_a_node_with_another_erlctl_is_refused():
    with pytest.raises(ErlctlError, match=r"h has erlctl 0\.0\.0, here is .*\n.*ship=true"):
        check_place(Place(host="h", version="0.0.0"), None, "abc")


class Call(SimpleNamespace):
    """A function or method of which `remote` makes what `get` calls."""

    def options(self, **_):
        return self

    def remote(self, *arguments):
        return lambda: self.function(*arguments)


class Look(Call):
    """A task for a node that the options name."""

    def options(self, scheduling_strategy):
        self.nodes.append(scheduling_strategy)
        return self


class Handle:
    """An actor in this process, made by the first call, as Ray does."""

    def __init__(self, make):
        self._make, self._guard, self._made = make, threading.Lock(), []

    def make(self):
        with self._guard:  # the thread that talks to it and the pool that kills it
            if not self._made:
                self._made.append(self._make())
        return self._made[0]

    def __getattr__(self, name):
        return Call(function=functools.partial(self.call, name))

    def call(self, name, *arguments):
        return getattr(self.make(), name)(*arguments)


class LocalRay(FakeRay):
    """Ray whose only node is this process."""

    class exceptions:  # noqa: N801
        RayError = type("RayError", (Exception,), {})
        RayTaskError = type("RayTaskError", (Exception,), {})
        ActorUnavailableError = type("ActorUnavailableError", (RayError,), {})

    def remote(self, **_):
        def wrap(target):
            if not isinstance(target, type):
                self.looks = []  # nodes that are asked by a task, no actor being there
                return Look(function=target, nodes=self.looks)
            return SimpleNamespace(
                remote=lambda *arguments: Handle(lambda: target(*arguments)))

        return wrap

    def get(self, reference, timeout=None):
        del timeout
        return reference()

    def wait(self, references, num_returns, timeout):
        del timeout
        if num_returns < 1:
            raise ValueError("num_returns < 1")
        return references, []

    def get_runtime_context(self):
        return SimpleNamespace(get_node_id=lambda: "a")

    def kill(self, handle):
        handle.make()._worker.kill()


@pytest.fixture
def sync(make_batch, monkeypatch, tmp_path, request):
    """Return a function that trains fake runs on a node that shares nothing."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setitem(sys.modules, "ray", LocalRay([
        {"Alive": True, "NodeID": name, "NodeManagerHostname": "h", "Resources": {"CPU": 2.0}}
        for name in getattr(request, "param", "a")]))
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", SimpleNamespace(
        NodeAffinitySchedulingStrategy=lambda node, *, soft: node))
    monkeypatch.setattr("erlctl.launch.node.WorkerProcess", start_fake)

    def train(batch, left=(), **options):
        plan = plan_runs(batch.runs, runs_dir=batch.runs_dir)
        ray = Ray(address="local", sync=True, scratch=str(tmp_path / "scratch"))
        result = ray.launch(launcher.Batch(
            plan=plan, runs_dir=batch.runs_dir, jobs=2, **options), batch.events.append)
        assert list((tmp_path / "scratch").iterdir()) == list(left)
        return [(entry.status, entry.outcome.step) for entry in result.results]

    return train


@pytest.mark.parametrize(("sync", "asked"), [("a", []), ("abc", ["b", "c"])], indirect=["sync"])
def test_actors_answer_for_their_nodes_and_tasks_for_the_others(sync, asked, make_batch):
    assert sync(make_batch(seeds=2)) == [("complete", 20)] * 2
    assert sys.modules["ray"].looks == asked


def test_a_node_whose_actor_cannot_start_is_asked_why(sync, make_batch, monkeypatch):
    def fail(*_, **__):
        raise LocalRay.exceptions.RayError("of Ray\nNo module named 'erlctl'")

    monkeypatch.setattr("erlctl.launch.node.WorkerProcess", fail)
    monkeypatch.setattr("erlctl.launch.node.look_around", fail)
    with pytest.raises(ErlctlError, match=r"erlctl cannot run on h: No module named 'erlctl'"):
        sync(make_batch())


def paths_of(batch):
    return [RunPaths.of(batch.runs_dir, run) for run in batch.runs]


def test_run_directories_come_back_from_a_node_that_shares_nothing(sync, make_batch):
    batch = make_batch(seeds=3)
    assert sync(batch) == [("complete", 20)] * 3
    assert [read_step(paths) for paths in paths_of(batch)] == [20] * 3
    assert not any(lock.is_held(paths.lock) for paths in paths_of(batch))


def test_a_node_runs_the_files_that_register_what_a_spec_names(sync, make_batch, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("import os\n"
                    f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n"
                    "    file.write(f'{os.getpid()} ')\n")
    assert sync(make_batch(), trusted=[str(mine)]) == [("complete", 20)]
    node, worker = (tmp_path / "ran").read_text().split()
    assert int(node) == os.getpid() != int(worker)


def test_a_node_goes_on_from_the_run_directory_that_it_is_sent(sync, make_batch):
    batch = make_batch()
    (paths,) = paths_of(batch)
    paths.root.mkdir(parents=True)
    paths.run_json.write_text('{"status": "interrupted", "step": 7}')
    assert sync(batch) == [("complete", 20)]
    assert [event.step for event in batch.events if isinstance(event, Started)] == [7]


def test_fresh_moves_the_run_directory_aside_here(sync, make_batch):
    batch = make_batch()
    (paths,) = paths_of(batch)
    paths.root.mkdir(parents=True)
    paths.run_json.write_text('{"status": "interrupted", "step": 7}')
    assert sync(batch, fresh=True) == [("complete", 20)]
    assert [event.step for event in batch.events if isinstance(event, Started)] == [0]
    assert len(list(paths.root.parent.iterdir())) == 2


def test_a_run_that_another_command_took_up_in_the_meantime_is_busy(
    sync, make_batch, monkeypatch
):
    batch = make_batch(seeds=2)
    paths = paths_of(batch)[0]
    paths.root.mkdir(parents=True)
    with contextlib.ExitStack() as held:
        take_up = actors.RayWorker._take_up

        def late(worker, job):
            if "seed: 0" in job.run and not lock.is_held(paths.lock):
                held.enter_context(lock.hold(paths.lock))
            return take_up(worker, job)

        monkeypatch.setattr(actors.RayWorker, "_take_up", late)
        statuses = [status for status, _ in sync(batch)]
    assert statuses == ["busy", "complete"]


def test_where_all_runs_are_busy_nothing_is_started(sync, make_batch):
    batch = make_batch()
    (paths,) = paths_of(batch)
    paths.root.mkdir(parents=True)
    with lock.hold(paths.lock):
        assert [status for status, _ in sync(batch)] == ["busy"]


@pytest.mark.parametrize("trouble", ["kill", "fork"])
def test_a_process_that_dies_on_a_node_fails_its_run_alone(sync, make_batch, monkeypatch, trouble):
    monkeypatch.setenv("FAKE_TROUBLE", f"1:{trouble}")
    batch = make_batch(seeds=3)
    assert [status for status, _ in sync(batch)] == ["complete", "failed", "complete"]


def test_a_scratch_folder_is_removed_only_when_its_process_is_dead(sync, make_batch, tmp_path):
    about_to_lock, dead = (tmp_path / "scratch" / f"erlctl-ray-{name}" for name in "ab")
    for folder in (about_to_lock, dead):
        folder.mkdir()
        (folder / ".lock").touch()
    with lock.hold(dead / ".lock"):
        pass
    assert sync(make_batch(), left=[about_to_lock]) == [("complete", 20)]


@pytest.mark.parametrize(("name", "words"), [
    ("ActorUnavailableError", "its node is lost (it does not answer any more)"),
    ("RayError", "its node or its actor is lost (the owner died)"),
])
def test_a_node_that_goes_is_lost_in_words(name, words):
    def fail(_):
        raise getattr(LocalRay.exceptions, name)("the owner died.\nrpc_code: 14")

    ray = SimpleNamespace(exceptions=LocalRay.exceptions, get=fail, kill=lambda _: None)
    actor = SimpleNamespace(look_around=SimpleNamespace(remote=lambda *_: None))
    worker = actors.RayWorker(ray, actor, None)
    assert worker.end() == words
    assert worker.is_lost
