"""Runs of host environments from start to run directory: faults, resume, what is told."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from erlctl import spec
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.events import Message, StopReason
from erlctl.runs.execute import execute
from erlctl.runs.layout import RunPaths, read_run_json
from erlctl.runs.tables import read_table
from erlctl.training.factory import make_program
from tests.training.runs import fake, host_run

SIGTERM = StopReason("signal", signal.SIGTERM)


def shortened(run, **fields):
    """Return a run that is evaluated, logged and saved often."""
    plain = spec.plain(run)
    plain["evaluation"].update(every=400, episodes=2)
    plain["checkpoint"].update(every=50)
    plain["logging"].update(every=50, tensorboard=False)
    for section, values in fields.items():
        plain[section].update(values)
    return spec.parse_run(json.dumps(plain).encode(), "the test")


def train(run, runs_dir, **kwargs):
    events = []
    outcome = execute(
        run, runs_dir, program_for=make_program, on_event=events.append, **kwargs
    )
    return outcome, RunPaths.of(runs_dir, run), [e.text for e in events if isinstance(e, Message)]


def test_a_faulty_environment_fails_the_run_with_a_checkpoint_of_its_last_good_step(runs_dir):
    run = shortened(host_run(fake("Counter", length=500, fault="raise", at=77)))
    outcome, paths, _ = train(run, runs_dir)
    assert outcome.status == "failed"
    assert "(copy 0, step 77, action" in outcome.message
    assert "raised ValueError in step: the pole fell off" in outcome.message
    facts = read_run_json(paths)
    assert (facts["status"], facts["step"], facts["backend"]) == ("failed", 76, "python")
    assert paths.latest.read_text() == "76\n"
    log = paths.log.read_text()
    assert "fakes.py" in log  # the traceback of the environment's author


def test_a_failed_run_goes_on_where_it_stopped_when_its_environment_is_mended(
    runs_dir, monkeypatch
):
    run = shortened(host_run(fake("Counter", length=500, fault="raise", at=77)))
    train(run, runs_dir)
    from tests.environments.host import fakes

    monkeypatch.setitem(fakes._FAULTS, "raise", lambda result: result)
    outcome, paths, told = train(run, runs_dir)
    assert (outcome.status, outcome.step) == ("complete", 400)
    assert "resumed from step 76" in told[0]
    assert told[1] == "python environments cannot be saved: each of the 1 begins a new episode"
    steps = read_table(paths.progress).columns["step"]
    assert list(steps) == [50, 100, 150, 200, 250, 300, 350, 400]


def test_an_interrupted_run_saves_its_replay_and_reads_it_back(runs_dir):
    run = shortened(host_run(fake("Pictures"), wrappers={"frame_stack": 2}))
    calls = iter(range(1000))
    outcome, _, _ = train(run, runs_dir, should_stop=lambda: SIGTERM if next(calls) == 2 else None)
    assert outcome.status == "interrupted"
    programs = []

    def program_for(run):
        programs.append(make_program(run))
        return programs[-1]

    stopped = execute(run, runs_dir, program_for=program_for, should_stop=lambda: SIGTERM)
    assert stopped.step == outcome.step
    replay = programs[0]._replay
    assert replay.num_stored == outcome.step
    assert (replay.sample(32, key=0, draw=0).reward == 100.0).all()


def test_a_replay_that_does_not_fit_is_refused_before_it_is_filled(runs_dir, monkeypatch):
    from erlctl.runs import preflight

    monkeypatch.setattr(preflight, "available_memory", lambda: 10**8)
    run = shortened(host_run(fake("Pictures"), replay_capacity=10_000_000))
    outcome, _, told = train(run, runs_dir)
    assert outcome.status == "failed"
    assert "the run's replay and networks needs about" in outcome.message
    assert "MB of memory" in told[0]


@pytest.mark.parametrize(("environment", "message"), [
    ({"id": "CartPole-v1", "backend": "compiled", "vectorise": "subprocess"}, "remove it"),
    ({"id": "no_colon", "backend": "python"}, "module:factory"),
])
def test_what_a_backend_does_not_have_is_refused(environment, message):
    with pytest.raises(ErlctlError, match=message):
        make_program(host_run(environment))


def test_agents_of_the_other_kind_of_actions_are_refused():
    with pytest.raises(ErlctlError, match="dqn needs discrete actions"):
        make_program(host_run(fake("Continuous")))


@pytest.mark.slow
def test_the_published_landers_use_an_environment_that_exists():
    pytest.importorskip("envpool")
    experiment = spec.load(Path(__file__).parents[2] / "experiments" / "lunarlander.yaml")
    program = make_program(experiment.runs[0])
    assert program.advance(400).step == 400
    program.close()


def test_atari_is_played_as_in_dopamine():
    pytest.importorskip("envpool")
    from erlctl.environments.host.envpool import DOPAMINE
    from erlctl.environments.host.make import make_vector
    from erlctl.spec.schema import EnvironmentSection

    vector = make_vector(EnvironmentSection(id="Breakout-v5", backend="envpool"), 2)
    config = vector._pool.spec.config
    assert {name: getattr(config, name) for name in DOPAMINE} == pytest.approx(dict(DOPAMINE))
    assert (vector.frame_stack, vector.reward_clip) == (4, 1.0)
    assert (vector.observation.shape, config.stack_num) == ((84, 84, 1), 1)
    assert not config.reward_clip
    vector.close()


@pytest.mark.parametrize(("name", "shape"), [
    ("Breakout-v5", (210, 160, 3)), ("CartPole-v1", (400, 600, 3)),
])
def test_envpool_draws_what_is_filmed(name, shape):
    pytest.importorskip("envpool")
    section = {"id": name, "backend": "envpool"}
    program = make_program(host_run(section, wrappers={"time_limit": 4}))
    film = program.film(1, seed=0, policy="greedy")
    frames = list(film.frames)
    assert [frame.shape for frame in frames] == [shape] * 4
    assert any((frame != frames[0]).any() for frame in frames)
    assert np.isfinite(film.total)
    program.close()


class Slow:
    """A pool that takes its time, or breaks."""

    def __init__(self, pool, seconds=0.0):
        self.pool, self.seconds = pool, seconds

    def __getattr__(self, name):
        return getattr(self.pool, name)

    def reset(self, *args):
        time.sleep(self.seconds)
        return self.pool.reset(*args)

    def step(self, actions):
        if not self.seconds:
            raise RuntimeError("lost contact")
        time.sleep(self.seconds)


def test_faults_of_envpool_name_step_and_action(monkeypatch):
    pytest.importorskip("envpool")
    from erlctl.environments.host.make import make_vector
    from erlctl.spec.schema import EnvironmentSection

    section = EnvironmentSection(id="CartPole-v1", backend="envpool", step_timeout=0.3)
    vector = make_vector(section, 2)
    vector.reset(np.array([1, 2]))
    actions = np.array([1, 0], np.int32)
    vector.step(actions)
    pool = vector._pool
    where = r"CartPole-v1 \(step \[{0}, {0}\], action \[1, 0\]\)"
    vector._pool = Slow(pool)
    with pytest.raises(EnvironmentFault, match=where.format(2) + " raised RuntimeError in step"):
        vector.step(actions)
    vector._pool = Slow(pool, 5)
    with pytest.raises(EnvironmentFault, match=where.format(3) + " has not come back from step"):
        vector.step(actions)
    monkeypatch.setattr(vector, "_make", lambda seeds: (Slow(pool, 5), None, None))
    vector._pool = pool
    with pytest.raises(EnvironmentFault, match=r"CartPole-v1 has not come back from reset"):
        vector.reset(np.array([1, 2]))
