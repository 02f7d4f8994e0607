"""The compiled program: what it stores, that nothing outside its state matters, how it fails."""

import dataclasses
import itertools
import subprocess
import sys

import gym
import numpy as np
import pytest
import tensorflow as tf

from erlctl.spec.schema import LoggingSection
from erlctl.training import loop
from erlctl.training.factory import make_program
from erlctl.training.seeding import TRAINING_STREAMS
from tests.training.build import make_run
from tests.training.seeded import seeded
from tests.training.test_loop import Notes


@pytest.fixture(scope="module")
def shared():
    """Return one compiled program; every test starts it afresh."""
    return make_program(make_run(replay_capacity=300))


@pytest.fixture
def program(shared):
    shared.start(seeded(shared.run, 0))
    return shared


@pytest.fixture(scope="module")
def graph():
    """Return the same run in graph mode."""
    return make_program(make_run(replay_capacity=300, mode="graph"))


def values(program):
    return {name: np.array(variable) for name, variable in program.state().items()}


def assert_same(first, second, apart=()):
    assert first.keys() == second.keys()
    for name in first.keys() - set(apart):
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def differing(first, second):
    return {name for name in first if (first[name] != second[name]).any()}


def rows(program, count):
    """Return the first `count` stored rows as arrays by name."""
    return {
        name: variable.numpy()[:count] for name, variable in program._replay.state().items()
        if variable.shape.rank and name not in ("ids", "last_id")
    }


@pytest.mark.parametrize("mode", ["shared", "graph"])
def test_every_stored_row_is_one_step_of_gyms_dynamics(mode, request):
    """So no row leads from the end of an episode to the start of the next."""
    program = request.getfixturevalue(mode)
    program.start(seeded(program.run, 0))
    program.advance(300)
    found = rows(program, 300)
    env = gym.make("CartPole-v1").unwrapped
    elapsed, truncations, terminals = 0, 0, 0
    for i in range(300):
        env.reset()
        env.state = found["observation"][i].astype(float)
        expected, reward, is_terminal, _ = env.step(int(found["action"][i]))
        np.testing.assert_allclose(found["next_observation"][i], expected, rtol=1e-5, atol=1e-5)
        elapsed += 1
        is_end = is_terminal or elapsed == 12
        assert found["reward"][i] == reward
        assert found["discount"][i] == (0.0 if is_terminal else 1.0)
        assert found["is_end"][i] == is_end
        if i < 299:
            # XLA may round the two differently in the last bit.
            goes_on = np.allclose(
                found["observation"][i + 1], found["next_observation"][i], rtol=1e-5, atol=1e-6
            )
            assert goes_on != is_end
        truncations += is_end and not is_terminal
        terminals += is_terminal
        elapsed = 0 if is_end else elapsed
    assert truncations > 5
    assert terminals > 2


def test_sampled_truncations_keep_their_discount_and_terminals_do_not(program):
    program.advance(300)
    found = rows(program, 300)
    batch = program._replay.sample(2000)
    stored = {o.tobytes(): (d, e) for o, d, e in zip(
        found["observation"], found["discount"], found["is_end"], strict=True)}
    seen = set()
    for o, discount in zip(
        batch.time_step.observation.numpy(), batch.next_time_step.discount.numpy(), strict=True
    ):
        assert stored[o.tobytes()][0] == discount
        seen.add((float(discount), int(stored[o.tobytes()][1])))
    assert seen == {(1.0, 0), (1.0, 1), (0.0, 1)}


@pytest.mark.parametrize("parts", [(700, 300), (1, 999), (20, 1, 479, 500)])
def test_a_run_does_not_depend_on_where_chunks_are_cut(program, parts):
    episodes = [program.advance(1000).episodes]
    whole = values(program)
    program.start(seeded(program.run, 0))
    pieces = [program.advance(part).episodes for part in parts]
    assert_same(whole, values(program))
    for field in ("steps", "returns", "lengths"):
        np.testing.assert_array_equal(
            getattr(episodes[0], field), np.concatenate([getattr(p, field) for p in pieces])
        )


def test_a_start_after_another_run_is_a_fresh_program(program):
    program.advance(150)
    program.interval_metrics()
    program.start(seeded(program.run, 7))
    fresh = make_program(dataclasses.replace(make_run(replay_capacity=300), seed=7))
    assert_same(values(program), values(fresh))
    program.advance(150)
    fresh.advance(150)
    assert_same(values(program), values(fresh))
    assert program.interval_metrics() == fresh.interval_metrics()
    np.testing.assert_array_equal(program.evaluate(4), fresh.evaluate(4))


@pytest.mark.parametrize("mode", ["xla", "graph"])
def test_what_is_filmed_is_the_first_episode_that_is_evaluated(mode):
    program = make_program(make_run(time_limit=500, mode=mode))
    for num_episodes, policy in itertools.product([1, 5], ["greedy", "collect"]):
        for seed in range(2):
            returns, lengths = program.evaluate(num_episodes, seed=seed, policy=policy)
            film = program.film(num_episodes, seed=seed, policy=policy)
            assert (film.total, len(film.states) - 1) == (returns[0], lengths[0])


def test_two_seeds_differ_in_weights_and_in_actions(program):
    first = values(program)
    program.advance(100)
    actions = rows(program, 100)["action"]
    program.start(seeded(program.run, 1))
    weights = {n for n in program.weights_names if first[n].ndim == 2}
    assert weights <= differing(first, values(program))
    assert {f"generators/{s.name.lower()}" for s in TRAINING_STREAMS} <= differing(
        first, values(program)
    )
    program.advance(100)
    assert (rows(program, 100)["action"] != actions).any()


def test_the_state_is_every_variable_that_advance_captures(program):
    concrete = program._advance.get_concrete_function()
    named = {id(variable.handle): name for name, variable in program.state().items()}
    captured = {id(x): x for x in concrete.captured_inputs if x.dtype == tf.resource}
    # The spec's numbers, which `start` sets.
    inputs = {
        id(variable.handle) for _, made in program._learner._inputs._lifted
        for each in made for variable in each._variables.values()
    }
    assert inputs & captured.keys()
    others = [x for key, x in captured.items() if key not in (named.keys() | inputs)]
    # Keras keeps a learning rate in a variable; it is the spec's number, which `start` sets.
    assert all("learning_rate" in str(x) for x in others)
    read_by_metrics_only = {"counters/episodes", "generators/diagnostics"}
    assert {n for key, n in named.items() if key not in captured} <= {
        *read_by_metrics_only, "generators/agent",  # this algorithm's updates draw nothing
        *(name for name in named.values() if "optimizer/" in name and "rate" in name),
    }


def test_an_update_by_xla_and_in_graph_mode_is_the_same_up_to_rounding(program, graph):
    """The random numbers of the two modes differ, so whole runs do too."""
    program.advance(60)
    batch = program._replay.sample(8)
    found = []
    for each in (program, graph):
        each.start(seeded(each.run, 0))
        update = tf.function(
            lambda each=each: each._learner.update(batch),
            jit_compile=each._learner.is_xla, autograph=False,
        )
        for _ in range(3):
            update()
        found.append(values(each))
    assert (program._learner.is_xla, graph._learner.is_xla) == (True, False)
    assert program.updates == graph.updates == 3
    for name in (n for n in found[0] if n.startswith("agent/") or "loss" in n):
        np.testing.assert_allclose(
            found[0][name], found[1][name], rtol=1e-3, atol=1e-5, err_msg=name
        )


def test_graph_mode_does_not_depend_on_where_chunks_are_cut(graph):
    graph.start(seeded(graph.run, 0))
    graph.advance(300)
    whole = values(graph)
    graph.start(seeded(graph.run, 0))
    graph.advance(130)
    graph.advance(170)
    assert_same(whole, values(graph))


@pytest.mark.parametrize("changes", [
    {"logging": LoggingSection(every=50)}, {"evaluation": None}, {},
])
def test_logging_and_evaluating_more_often_leaves_training_alone(program, changes):
    run = dataclasses.replace(program.run, logging=LoggingSection(every=300))
    run = dataclasses.replace(run, training=dataclasses.replace(run.training, steps=300))
    often = dataclasses.replace(run.evaluation, every=60, episodes=3)
    changes = {**changes, **({"evaluation": often} if "evaluation" in changes else {})}
    loop.train(program, run, Notes())
    expected = values(program)
    program.start(seeded(program.run, 0))
    loop.train(program, dataclasses.replace(run, **changes), Notes())
    assert_same(expected, values(program), apart={"generators/diagnostics"})


def test_an_evaluation_belongs_to_seed_and_step_and_not_to_its_history(program):
    program.advance(60)
    first = program.evaluate(4)
    program.evaluate(4, policy="collect")
    fresh = program.evaluate(4, seed=99)
    np.testing.assert_array_equal(program.evaluate(4), first)
    np.testing.assert_array_equal(program.evaluate(4, seed=99), fresh)
    np.testing.assert_array_equal(first[0], first[1])  # a reward of 1 a step
    assert (first[1] <= 12).all()
    assert first[0].dtype == np.float64
    assert first[1].dtype == np.int64


def test_episodes_add_up_to_the_steps(program):
    chunk = program.advance(300)
    found = chunk.episodes
    np.testing.assert_array_equal(found.returns, found.lengths)
    np.testing.assert_array_equal(np.diff(np.concatenate([[0], found.steps])), found.lengths)
    assert found.lengths.sum() + program.state()["running/length"].numpy()[0] == 300
    program.take_diagnostics()
    figures = program.interval_metrics()
    assert figures["return_mean"] == pytest.approx(found.returns.mean())
    assert figures["return_std"] == pytest.approx(found.returns.std())
    assert figures["episodes"] == len(found.returns)
    again = program.interval_metrics()
    assert again["episodes"] == len(found.returns)
    assert "return_mean" not in again
    assert "loss" not in again


@pytest.mark.slow
def test_an_exported_policy_is_loaded_with_tensorflow_alone(program, tmp_path):
    program.export_policy(str(tmp_path))
    code = (
        "import sys, tensorflow as tf\n"
        f"policy = tf.saved_model.load({str(tmp_path)!r})\n"
        "assert not {'tf_agents', 'tensorflow_probability', 'erlctl'} & set(sys.modules)\n"
        "print(list(policy.signatures))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "action" in found.stdout
