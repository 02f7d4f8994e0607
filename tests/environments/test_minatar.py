"""The compiled MinAtar games against the package, from the same draws."""

import functools

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("minatar", reason="pip install -e '.[test]' brings the original games")

from erlctl.environments import registry
from tests.oracles import minatar_games

IDS = {
    "asterix": "MinAtar/Asterix", "breakout": "MinAtar/Breakout", "freeway": "MinAtar/Freeway",
    "seaquest": "MinAtar/Seaquest", "space_invaders": "MinAtar/SpaceInvaders",
}
# How each game is played: uniformly; by a policy that sees the rarer parts; by one that goes on
# after its end, which crowds the board and ramps the difficulty up to its limit (the package's
# Breakout cannot: the ball leaves its board); and without ramping, in graph mode instead of XLA.
PLAYS = {
    "random": {},
    "skilled": {"skilled": True},
    "immortal": {"skilled": True, "immortal": True},
    "not ramping": {"skilled": True, "ramping": False, "num_steps": 400},
}
NEVER_RAMP = ("breakout", "freeway")
CASES = [
    (game, play) for game in IDS for play in PLAYS
    if (game, play) != ("breakout", "immortal") and (game not in NEVER_RAMP or "not" not in play)
]


@functools.cache
def recorded(game, play):
    # A game of Freeway lasts 2,501 steps; the others are cut off earlier.
    options = {"num_steps": 2600, "num_games": 4, "time_limit": 2550 if game == "freeway" else 300}
    return minatar_games.record(game, seed=7, **{**options, **PLAYS[play]})


@functools.cache
def follower(game, ramping, immortal):
    """Return a function from a recording's inputs to all states and observations."""
    environment = registry.make(
        f"{IDS[game]}-v0", 1, tf.random.Generator.from_seed(0, alg="philox"),
        difficulty_ramping=ramping, time_limit=2550 if game == "freeway" else 300)

    @tf.function(jit_compile=ramping)
    def follow(first_draws, actions, draws, reset_draws):
        def step(carry, inputs):
            after = environment.advance(carry[1], *inputs[:2])
            if immortal:
                return after, after
            return after, environment.restart(after, after.step_type == 2, inputs[2])

        first = environment.first(first_draws)
        after, _ = tf.scan(step, (actions, draws, reset_draws), (first, first))
        flat = tf.nest.map_structure(lambda x: tf.reshape(x, [-1, *x.shape[2:]]), after.state)
        observations = environment.observe(flat)
        return after, tf.reshape(observations, [*after.reward.shape, *observations.shape[1:]])

    return follow


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_functions():
    """TensorFlow's functions complain when they outlive the interpreter."""
    yield
    follower.cache_clear()
    recorded.cache_clear()


def as_in_the_package(game, state):
    """Return our state in the form of the oracle's snapshot: no gaps in lists, no stale numbers."""
    if game == "asterix":
        absent = ~state["present"]
        return {name: np.where(absent, 0, value) if name in ("x", "rightwards", "gold") else value
                for name, value in state.items()}
    if game != "seaquest":
        return state
    submarine = state["enemy_is_submarine"]
    kinds = {
        "friendly": ("friendly", True, ("x", "y", "rightwards")),
        "diver": ("diver", True, ("x", "y", "rightwards", "timer")),
        "fish": ("enemy", ~submarine, ("x", "y", "rightwards", "move_timer")),
        "submarine": ("enemy", submarine, ("x", "y", "rightwards", "move_timer", "shot_timer")),
    }
    listed = {name: value for name, value in state.items()
              if not name.startswith(("friendly", "diver_x", "diver_y", "diver_t", "diver_r",
                                      "diver_p", "enemy"))}
    for name in ("leftward_bullets", "rightward_bullets"):
        assert not state[name][..., [0, 9], :].any()
        listed[name] = state[name][..., 1:9, :]
    for kind, (prefix, chosen, fields) in kinds.items():
        present = state[f"{prefix}_present"] & chosen
        rows = np.full((*present.shape, 5), -1, np.int64)
        for index, field in enumerate(fields):
            rows[..., index] = np.where(present, state[f"{prefix}_{field}"], -1)
        order = np.argsort(present, axis=-1, kind="stable")
        rows = np.take_along_axis(rows, order[..., np.newaxis], axis=-2)
        listed[kind] = rows[..., rows.shape[-2] - minatar_games.CAPACITY[kind]:, :]
    return listed


@pytest.mark.parametrize(("game", "play"), CASES)
def test_every_step_equals_the_package(game, play):
    recording, options = recorded(game, play), PLAYS[play]
    immortal = options.get("immortal", False)
    follow = follower(game, options.get("ramping", True), immortal)
    inputs = [tf.constant(getattr(recording, name), dtype) for name, dtype in (
        ("first_draws", tf.float32), ("actions", tf.int32), ("draws", tf.float32),
        ("reset_draws", tf.float32))]
    after, observations = tf.nest.map_structure(lambda x: x.numpy(), follow(*inputs))

    states = as_in_the_package(game, after.state)
    assert states.keys() == recording.states.keys()
    for name, expected in recording.states.items():
        np.testing.assert_array_equal(states[name], expected, err_msg=name)
    np.testing.assert_array_equal(after.reward, recording.rewards)
    np.testing.assert_array_equal(after.discount, 1.0 - recording.terminals)
    np.testing.assert_array_equal(observations, recording.observations)
    if not immortal:
        np.testing.assert_array_equal(after.step_type == 2, recording.ended)


RARE = {
    "asterix": lambda r: r.states["move_speed"].min() == 1 and r.states["present"].all(-1).any(),
    "breakout": lambda r: r.rewards.sum() > 90 and not r.states["bricks"].any((2, 3)).all(),
    "freeway": lambda r: r.rewards.sum() > 50 and r.terminals.any(),
    "seaquest": lambda r: (
        r.states["spawn_speed"].min() == 1 and r.states["diver_count"].min() < 0
        and r.rewards.max() >= 5 and (r.states["fish"][..., 0] >= 0).sum(-1).max() >= 10
        and (r.states["submarine"][..., 0] >= 0).sum(-1).max() >= 6),
    "space_invaders": lambda r: r.states["ramp_index"].max() >= 1,
}


@pytest.mark.parametrize("game", IDS)
def test_recordings_see_the_rare_parts_of_the_game(game):
    assert RARE[game](recorded(game, "skilled" if game == "breakout" else "immortal"))


@pytest.mark.parametrize("game", IDS)
def test_the_minimal_action_set_is_the_package_s(game):
    from minatar import Environment

    generator = tf.random.Generator.from_seed(0, alg="philox")
    minimal = registry.make(f"{IDS[game]}-v1", 1, generator)
    full = registry.make(f"{IDS[game]}-v0", 1, generator)
    assert list(minimal.minimal_actions) == Environment(game).minimal_action_set()
    assert int(minimal.action_spec().maximum) == len(minimal.minimal_actions) - 1
    assert int(full.action_spec().maximum) == 5
    assert tuple(minimal.observation_spec().shape) == tuple(Environment(game).state_shape())
