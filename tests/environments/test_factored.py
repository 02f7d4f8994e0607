"""Reacher and tanks against loops over one environment; joint and factored actions."""

import math

import numpy as np
import pytest
import tensorflow as tf

from erlctl.environments import registry


def make(name, num_envs=4, **kwargs):
    return registry.make(
        name, num_envs, tf.random.Generator.from_seed(0, alg="philox"), **kwargs
    )


def random_states(environment, rng):
    draws = rng.random((environment.num_envs, environment.reset_draws))
    return environment.initial_state(tf.constant(draws, tf.float32))


def reach(angles, velocities, target, torques):
    """One step of the arm: (angles, velocities, reward)."""
    x = y = bearing = 0.0
    moved, fast = [], []
    for angle, velocity, torque in zip(angles, velocities, torques, strict=True):
        velocity += 0.05 * (8.0 * torque - 2.0 * velocity)
        angle += 0.05 * velocity
        bearing += angle
        x += math.cos(bearing) / len(angles)
        y += math.sin(bearing) / len(angles)
        moved.append((angle + math.pi) % (2 * math.pi) - math.pi)
        fast.append(velocity)
    cost = 0.02 * np.mean(np.square(torques))
    return moved, fast, -math.hypot(x - target[0], y - target[1]) - cost


@pytest.mark.parametrize("num_joints", [2, 5, 20])
def test_the_reacher_is_the_loop_over_its_joints(num_joints):
    rng = np.random.default_rng(1)
    environment = make("Reacher", num_joints=num_joints)
    state = random_states(environment, rng)
    for _ in range(20):
        action = rng.integers(3, size=(4, num_joints)).astype(np.int32)
        after, reward, is_terminal = environment.transition(state, tf.constant(action), None)
        for i in range(4):
            angles, velocities, expected = reach(
                *(state[n].numpy()[i].astype(float) for n in ("angles", "velocities", "target")),
                action[i] - 1.0,
            )
            np.testing.assert_allclose(after["angles"][i], angles, atol=1e-5)
            np.testing.assert_allclose(after["velocities"][i], velocities, atol=1e-5)
            np.testing.assert_allclose(reward[i], expected, atol=1e-5)
        assert not is_terminal.numpy().any()
        state = after
    hand = environment.observe(state)[:, -2:] + state["target"]
    np.testing.assert_allclose(hand, environment.hand(state["angles"]), atol=1e-6)


def pour(levels, openings, wanted, draws):
    """One second of the tanks: (levels, openings)."""
    openings = [o + 0.5 * (w / 4 - o) for o, w in zip(openings, wanted, strict=True)]
    asked = sum(0.08 * o for o in openings)
    share = min(1.0, 0.16 / asked) if asked > 0 else 1.0
    after, above = [], 0.0
    for level, opening, draw in zip(levels, openings, draws, strict=True):
        out = 0.05 * math.sqrt(level) * (1.0 + 0.1 * (2 * draw - 1))
        after.append(min(max(level + 0.08 * opening * share + above - out, 0.0), 1.0))
        above = out
    return after, openings


def test_the_tanks_are_the_loop_over_them():
    rng = np.random.default_rng(2)
    environment = make("Tanks")
    state = random_states(environment, rng)
    starved = False
    for _ in range(40):
        action = rng.integers(5, size=(4, 4)).astype(np.int32)
        draws = rng.random((4, 4)).astype(np.float32)
        after, reward, _ = environment.transition(state, tf.constant(action), tf.constant(draws))
        for i in range(4):
            levels, openings = pour(
                state["levels"].numpy()[i], state["openings"].numpy()[i], action[i], draws[i]
            )
            starved |= sum(openings) > 2
            np.testing.assert_allclose(after["levels"][i], levels, atol=1e-5)
            np.testing.assert_allclose(after["openings"][i], openings, atol=1e-5)
            distance = np.mean(np.abs(np.array(levels) - state["set_points"][i]))
            np.testing.assert_allclose(reward[i], -distance, atol=1e-5)
        state = after
    assert starved


@pytest.mark.parametrize(("name", "sizes", "kwargs"), [
    ("Reacher", (3, 3, 3), {"num_joints": 3}), ("Tanks", (5, 5, 5, 5), {}),
])
def test_a_joint_action_is_the_index_of_a_combination(name, sizes, kwargs):
    factored, joint = (make(name, actions=form, **kwargs) for form in ("factored", "joint"))
    assert joint.action_spec().maximum + 1 == math.prod(sizes)
    index = np.arange(math.prod(sizes), dtype=np.int32)
    expected = np.array([
        [i // math.prod(sizes[:m]) % size for m, size in enumerate(sizes)] for i in index
    ])
    actual = joint.factors_of(tf.constant(index)).numpy()
    np.testing.assert_array_equal(actual, expected)
    assert len(np.unique(actual, axis=0)) == math.prod(sizes)
    np.testing.assert_array_equal(factored.factors_of(tf.constant(expected)), expected)


def test_pictures_show_where_the_hand_and_the_levels_are():
    reacher = make("Reacher", num_envs=1, num_joints=2)
    zeros = np.zeros(2, np.float32)
    state = {"angles": zeros, "velocities": zeros, "target": np.array([0.0, 0.5], np.float32)}
    picture = reacher.picture(state)
    np.testing.assert_array_equal(picture[100, 190], (200, 60, 50))  # a straight arm's hand
    np.testing.assert_array_equal(picture[55, 100], (120, 190, 120))
    tanks = make("Tanks", num_envs=1)
    half = np.full(4, 0.5, np.float32)
    filled = tanks.picture({"levels": half, "openings": half, "set_points": half + 0.2})
    np.testing.assert_array_equal(filled[100, 20], (80, 130, 200))
    np.testing.assert_array_equal(filled[50, 20], (200, 200, 200))
