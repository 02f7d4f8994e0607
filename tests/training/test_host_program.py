"""The host path: same order of events, same learning code, and a state that is the run."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from erlctl.algorithms.factorial_dpp import FactorialDpp
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.fields import Schedule
from erlctl.options.policies import EpsilonGreedy
from erlctl.training.factory import make_program
from erlctl.training.host_program import HostProgram
from erlctl.training.program import CompiledProgram
from erlctl.training.seeding import Stream
from tests.training.runs import fake, host_run
from tests.training.seeded import seeded


@pytest.fixture(scope="module")
def cart_pole():
    return make_program(host_run())


def weights(program):
    state = program.state()
    return {name: np.array(state[name]) for name in program.weights_names}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def copied(program):
    return {name: np.array(value) for name, value in program.state().items()}


def restore(program, state):
    for name, target in program.state().items():
        if isinstance(target, np.ndarray):
            target[...] = state[name]
        else:
            target.assign(state[name])


def test_the_backend_decides_the_program(cart_pole):
    assert isinstance(cart_pole, HostProgram)
    assert cart_pole.run.environment.backend == "gym"
    compiled = make_program(host_run({"backend": "auto"}))
    assert isinstance(compiled, CompiledProgram)
    assert compiled.run.environment.backend == "compiled"


@pytest.mark.parametrize("settings", [
    {}, {"train_every": 3, "updates": 2}, {"learning_starts": 17, "updates": 3},
])
@pytest.mark.parametrize("num_envs", [1, 4])
def test_updates_are_due_exactly_when_they_are_in_the_compiled_program(num_envs, settings):
    counts = []
    for backend in ("gym", "compiled"):
        program = make_program(
            host_run({"backend": backend, "num_envs": num_envs}, **settings)
        )
        counts.append([program.advance(20).updates for _ in range(6)])
    assert counts[0] == counts[1]
    assert counts[0][-1] > 0


def test_a_batch_gives_the_same_update_as_in_the_compiled_program():
    host = make_program(host_run())
    compiled = make_program(host_run({"backend": "compiled"}))
    assert_same(weights(host), weights(compiled))  # same seed, same initial weights
    host.advance(30)
    batch = host._replay.sample(8, key=0, draw=0)
    packed = [tf.constant(part[0]) for part in host._codec.pack(batch, 1)]
    transition = host._codec.transition_of(packed)
    np.testing.assert_array_equal(transition.time_step.observation, batch.frames[:, 0])
    np.testing.assert_array_equal(transition.next_time_step.observation, batch.frames[:, 1])
    np.testing.assert_array_equal(transition.action_step.action, batch.action)
    np.testing.assert_array_equal(transition.next_time_step.reward, batch.reward)
    np.testing.assert_array_equal(transition.next_time_step.discount, batch.discount)
    for program in (host, compiled):
        program._learner.update(transition)
    assert_same(weights(host), weights(compiled))


def test_xla_computes_what_a_graph_computes():
    graph, xla = (
        make_program(host_run(fake("Counter", length=9), compile=how, updates=2))
        for how in ("graph", "xla")
    )
    graph.advance(40)
    packed = graph._sample(2, Stream.REPLAY, 0)
    for program in (graph, xla):
        program._turn(np.int64(41), graph._observations(), *packed)
    assert graph.interval_metrics()["loss"] == pytest.approx(
        float(xla.state()["counters/loss_sums"][0]) / 2, rel=1e-4
    )
    assert graph.updates == xla.updates == 2


def test_only_a_terminal_has_discount_zero_and_no_transition_leads_over_an_end():
    program = make_program(host_run(fake("Counter", length=4, truncates=True), updates=1))
    program.advance(100)
    batch = program._replay.sample(500, key=0, draw=0)
    assert (batch.discount == 1).all()
    episode, step = batch.frames[..., 0], batch.frames[..., 1]
    np.testing.assert_array_equal(episode[:, 0], episode[:, 1])
    np.testing.assert_array_equal(step[:, 0] + 1, step[:, 1])
    program = make_program(host_run(fake("Counter", length=4)))
    program.advance(100)
    batch = program._replay.sample(500, key=0, draw=0)
    np.testing.assert_array_equal(batch.discount == 0, batch.frames[:, 1, 1] == 4)


def test_where_the_chunks_are_cut_changes_nothing(cart_pole):
    results = []
    for chunks in ([120], [1, 50, 69]):
        cart_pole.start(seeded(cart_pole.run, 3))
        episodes = [cart_pole.advance(chunk).episodes for chunk in chunks]
        results.append((copied(cart_pole), np.concatenate([e.steps for e in episodes])))
    assert_same(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_looking_at_a_run_does_not_change_it(cart_pole):
    cart_pole.start(seeded(cart_pole.run, 3))
    cart_pole.advance(60)
    cart_pole.evaluate(2)
    cart_pole.interval_metrics()
    cart_pole.advance(60)
    looked = weights(cart_pole)
    cart_pole.start(seeded(cart_pole.run, 3))
    cart_pole.advance(120)
    assert_same(looked, weights(cart_pole))


def test_another_seed_and_back_gives_the_same_run(cart_pole):
    cart_pole.start(seeded(cart_pole.run, 5))
    cart_pole.advance(100)
    first = copied(cart_pole)
    cart_pole.start(seeded(cart_pole.run, 6))
    cart_pole.advance(100)
    other = copied(cart_pole)
    cart_pole.start(seeded(cart_pole.run, 5))
    cart_pole.advance(100)
    assert_same(first, copied(cart_pole))
    assert any((first[name] != other[name]).any() for name in first if "weights" in name)


def test_a_restored_run_has_every_number_and_a_new_episode(cart_pole):
    cart_pole.start(seeded(cart_pole.run, 4))
    cart_pole.advance(100)
    saved = copied(cart_pole)
    cart_pole.start(seeded(cart_pole.run, 9))
    cart_pole.advance(10)
    restore(cart_pole, saved)
    assert (cart_pole.step, cart_pole.updates) == (100, 60)
    assert_same(saved, copied(cart_pole))
    assert "begins a new episode" in cart_pole.notes_on_resume()[0]
    chunk = cart_pole.advance(100)
    assert chunk.step == 200
    assert (chunk.episodes.lengths <= chunk.episodes.steps - 100).all()


def test_two_resumed_runs_are_equal_and_do_not_repeat_the_first_episodes(cart_pole):
    cart_pole.start(seeded(cart_pole.run, 4))
    cart_pole.advance(1)
    first = cart_pole._replay._frames[0].copy()
    cart_pole.advance(99)
    saved, results = copied(cart_pole), []
    for _ in range(2):
        cart_pole.start(seeded(cart_pole.run, 0))
        restore(cart_pole, saved)
        cart_pole.advance(50)
        results.append(copied(cart_pole))
    assert_same(*results)
    newest = results[0]["replay/frames_0000"]
    assert not (newest[101:] == first).all(axis=1).any()


def test_an_evaluation_is_a_function_of_weights_seed_and_step(cart_pole):
    cart_pole.start(seeded(cart_pole.run, 2))
    cart_pole.advance(60)
    one, other = cart_pole.evaluate(5), cart_pole.evaluate(5)
    np.testing.assert_array_equal(one[0], other[0])
    fresh = cart_pole.evaluate(5, seed=1, policy="collect")
    np.testing.assert_array_equal(cart_pole.evaluate(5, seed=1, policy="collect")[0], fresh[0])
    np.testing.assert_array_equal(one[0], one[1])  # a reward of 1 for each step


def test_more_episodes_than_environments_are_shared_out_evenly():
    program = make_program(host_run(fake("Counter", length=6)))
    returns, lengths = program.evaluate(70)
    assert len(returns) == 70
    assert (lengths == 6).all()
    assert (returns == 21.0).all()


def test_an_evaluation_that_never_ends_is_a_fault(monkeypatch):
    from erlctl.training import host_evaluator

    monkeypatch.setattr(host_evaluator, "MAX_EPISODE_STEPS", 50)
    program = make_program(host_run(fake("endless")))
    assert program.advance(100).step == 100  # training needs no end
    with pytest.raises(EnvironmentFault, match=r"set environment\.wrappers\.time_limit"):
        program.evaluate(2)


def test_a_fault_leaves_the_run_at_its_last_good_step():
    program = make_program(host_run(fake("Counter", length=500, fault="raise", at=61)))
    chunk = program.advance(100)
    assert chunk.step == program.step == 60
    assert program.updates == 20
    before = copied(program)
    with pytest.raises(EnvironmentFault, match="step 61, action"):
        program.advance(40)
    assert_same(before, copied(program))


def test_continuous_actions_train_an_actor_critic():
    from erlctl.algorithms.sac import Sac

    program = make_program(host_run(fake("Continuous"), agent=Sac(), learning_starts=10))
    chunk = program.advance(30)
    assert chunk.updates == 20
    program.take_diagnostics()
    assert np.isfinite(list(program.interval_metrics().values())).all()


def test_images_stay_bytes_and_are_scaled_by_the_network():
    run = host_run(fake("Pictures"), wrappers={"frame_stack": 3, "reward_clip": 1.0})
    program = make_program(run)
    chunk = program.advance(80)
    assert program._replay._frames.dtype == np.uint8
    assert program._codec.observation_spec.shape == (4, 4, 3)
    assert (chunk.episodes.returns == 400.0).all()  # raw rewards
    assert (program._replay._reward[: program._replay.num_stored] <= 1.0).all()
    assert (program.evaluate(3)[0] == 400.0).all()
    film = program.film(1, seed=0, policy="greedy")
    frames = list(film.frames)
    assert frames[0].shape == (8, 8, 3)
    assert (len(frames), film.total) == (4, 400.0)


@pytest.mark.parametrize("policy", ["greedy", "collect"])
@pytest.mark.parametrize("num_episodes", [1, 40])  # 40 in 32 environments
def test_what_is_filmed_is_the_first_episode_that_is_evaluated(cart_pole, policy, num_episodes):
    returns, lengths = cart_pole.evaluate(num_episodes, seed=1, policy=policy)
    film = cart_pole.film(num_episodes, seed=1, policy=policy)
    assert len(list(film.frames)) == lengths[0]
    assert film.total == returns[0]


def test_what_draws_nothing_cannot_be_filmed():
    film = make_program(host_run(fake("Counter"))).film(1, seed=0, policy="greedy")
    with pytest.raises(ErlctlError, match=r"Counter draws no pictures"):
        next(iter(film.frames))


def test_a_fault_in_render_is_told(monkeypatch):
    def render(self, mode):
        raise OSError("no display")

    monkeypatch.setattr("tests.environments.host.fakes.Counter.render", render)
    film = make_program(host_run(fake("Counter"))).film(1, seed=0, policy="greedy")
    with pytest.raises(EnvironmentFault, match="Counter raised OSError in render: no display"):
        next(iter(film.frames))


@pytest.mark.parametrize("vectorise", ["inline", "subprocess"])
def test_actions_of_several_factors_go_from_the_replay_to_the_exported_policy(vectorise, tmp_path):
    agent = FactorialDpp(gamma=0.5, collect_policy=EpsilonGreedy(epsilon=Schedule.constant(0.5)))
    section = {**fake("Levers"), "num_envs": 2, "vectorise": vectorise}
    program = make_program(host_run(section, agent=agent, learning_starts=20, updates=4))
    program.advance(400)
    stored = np.unique(program.state()["replay/action"], axis=0)
    assert {tuple(row) for row in stored} == {(i, j) for i in range(2) for j in range(3)}
    returns, _ = program.evaluate(2)
    np.testing.assert_array_equal(returns, 30.0)  # both levers at their best, ten times
    program.export_policy(str(tmp_path / "policy"))
    loaded = tf.saved_model.load(str(tmp_path / "policy"))
    action = loaded.action(ts.restart(tf.ones((3, 2)), 3)).action
    np.testing.assert_array_equal(action, [[1, 2]] * 3)
    program.close()
