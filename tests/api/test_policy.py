"""`erlctl.load_policy` acts as the run's own evaluations do, on NumPy alone."""

from __future__ import annotations

import json
import subprocess
import sys

import gym
import numpy as np
import pytest

import erlctl
from erlctl.errors import DomainError, ErlctlError
from tests.api.conftest import train_here
from tests.cli.helpers import erlctl as command

OTHERS = {
    "pendulum": """
name: pendulum
environment: {id: Pendulum-v1, kwargs: {time_limit: 20}}
agent: {algorithm: sac}
network: {type: mlp, hidden: [8]}
training: {steps: 60, learning_starts: 30, batch_size: 8, replay_capacity: 100, compile: graph}
evaluation: {every: 60, episodes: 1}
logging: {tensorboard: false}
""",
    "factorial": """
name: factorial
environment: {id: Reacher, kwargs: {num_joints: 3, time_limit: 20}}
agent: {algorithm: factorial_dpp}
network: {type: mlp, hidden: [8]}
training: {steps: 60, learning_starts: 30, batch_size: 8, replay_capacity: 100, compile: graph}
evaluation: {every: 60, episodes: 1}
logging: {tensorboard: false}
""",
    "host": """
name: host
environment:
  id: CartPole-v1
  backend: gym
  wrappers: {normalise_observations: true, frame_stack: 2, time_limit: 20}
agent: {algorithm: soft_dqn, collect_policy: {type: boltzmann}}
network: {type: mlp, hidden: [8]}
training: {steps: 60, learning_starts: 30, batch_size: 8, replay_capacity: 100, compile: graph}
evaluation: {every: 60, episodes: 1}
logging: {tensorboard: false}
""",
}


@pytest.fixture(scope="module")
def root(study):
    return sorted(study.glob("study/*/seed-0"))[0]


@pytest.fixture(scope="module")
def policy(root):
    return erlctl.load_policy(root, "latest")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("others")
    for text in OTHERS.values():
        train_here(text, runs_dir)
    return {name: next((runs_dir / name).glob("*/seed-0")) for name in OTHERS}


# How a program that has TensorFlow alone acts with `policy/`.
EXAMPLE = """
import sys

import tensorflow as tf

policy = tf.saved_model.load(sys.argv[1])
act = policy.signatures["action"]
observations = tf.constant([[0.01, 0.02, 0.03, 0.04], [0.0, -1.0, -0.1, 1.0]])   # [B, ...]
count = len(observations)
actions = act(
    arg_0_step_type=tf.ones([count], tf.int32), arg_0_reward=tf.zeros([count]),
    arg_0_discount=tf.ones([count]), arg_0_observation=observations,
)["action"].numpy()
print(actions.tolist(), "tf_agents" in sys.modules)
"""


def test_the_saved_model_acts_in_a_program_without_tf_agents(root, policy):
    done = subprocess.run([sys.executable, "-c", EXAMPLE, str(root / "policy")],
                          capture_output=True, text=True, check=True)
    observations = [[0.01, 0.02, 0.03, 0.04], [0.0, -1.0, -0.1, 1.0]]
    assert done.stdout.strip() == f"{policy(observations).tolist()} False"


def test_actions_are_numpy_in_the_environments_own_form(policy):
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    one, many = policy(observations[0]), policy(observations)
    assert type(one) is int
    assert type(many) is np.ndarray
    assert (many.shape, many.dtype) == ((5,), np.int32)
    assert many.tolist() == [policy(row) for row in observations]
    assert policy(observations[:0].reshape(0, 4)).shape == (0,)
    assert (policy.num_actions, policy.action_low) == (2, None)
    assert policy.observation_shape == (4,)


def test_the_best_and_the_newest_checkpoint_may_differ_and_have_their_steps(root):
    rows = np.genfromtxt(root / "evaluations.csv", delimiter=",", names=True)
    steps = np.unique(rows["step"])
    means = [rows["return_"][rows["step"] == step].mean() for step in steps]
    assert erlctl.load_policy(root).step == steps[int(np.argmax(means))]
    assert erlctl.load_policy(root, "latest").step == 200
    with pytest.raises(ErlctlError, match="7"):
        erlctl.load_policy(root, 7)


def test_draws_come_from_the_seed_alone(root):
    observations = np.zeros((64, 4), np.float32)
    first, second, other = (
        erlctl.load_policy(root, "latest", seed=seed)(observations, deterministic=False).tolist()
        for seed in (1, 1, 2))
    assert first == second != other
    assert set(first) == {0, 1}  # exploration as at step 200


@pytest.mark.parametrize(("observation", "words"), [
    (np.zeros(5), r"float32 of shape \[4\] or \[B, 4\], got 'shape \[5\]'"),
    (np.zeros((2, 5)), r"shape \[2, 5\]"), (np.zeros((1, 1, 4)), r"shape \[1, 1, 4\]"),
    (["a"] * 4, "type <U1"), ([None] * 4, "type object"), (np.full(4, np.nan), "finite"),
    (np.full(4, 1e300), "infinite"), (np.zeros(4, complex), "complex"),
])
def test_what_is_no_observation_is_refused(policy, observation, words):
    with pytest.raises(DomainError, match=words):
        policy(observation)


def test_the_greedy_policy_scores_as_eval_does(root, policy):
    """CartPole's steps by gym, from the same kind of start, give the returns of `erlctl eval`."""
    env = gym.make("CartPole-v1").unwrapped
    lengths = []
    for seed in range(50):
        observation, length, is_over = env.reset(seed=seed), 0, False
        while not is_over and length < 20:
            observation, _, is_over, _ = env.step(policy(observation))
            length += 1
        lengths.append(length)
    result = json.loads(command("eval", root, "--episodes", "50", "--format", "json").out)
    (row,) = result["evaluations"]
    error = np.sqrt(np.var(lengths) / 50 + row["sd"] ** 2 / 50)
    assert abs(np.mean(lengths) - row["mean"]) <= 4 * error + 1e-9


def test_continuous_actions_are_in_the_environments_units(others):
    policy = erlctl.load_policy(others["pendulum"], "latest")
    observations = np.random.default_rng(0).normal(size=(200, 3))
    greedy, drawn = policy(observations), policy(observations, deterministic=False)
    assert (greedy.shape, greedy.dtype) == ((200, 1), np.float32)
    assert policy(observations[0]).shape == (1,)
    assert np.abs(drawn).max() <= 2.0
    assert np.abs(drawn).max() > 1.0  # not in [-1, 1]
    assert (drawn != greedy).any()
    assert (policy.action_low, policy.action_high) == ([-2.0], [2.0])


def test_actions_of_several_factors_have_a_number_for_each(others):
    policy = erlctl.load_policy(others["factorial"], "latest")
    observations = np.random.default_rng(0).normal(size=(50, *policy.observation_shape))
    one, many = policy(observations[0]), policy(observations)
    assert (one.shape, one.dtype) == ((3,), np.int32)
    assert (many.shape, many.dtype) == ((50, 3), np.int32)
    assert many[0].tolist() == one.tolist()
    drawn = policy(observations, deterministic=False)
    assert set(drawn.flat) <= set(range(policy.factors[0]))
    assert (drawn != many).any()
    assert (policy.num_actions, policy.action_low) == (0, None)
    assert f"actions of {list(policy.factors)} values" in repr(policy)


def test_a_host_policy_takes_stacked_frames_and_normalises_as_in_training(others):
    """The statistics and the network are read from the checkpoint by TensorFlow alone."""
    import tensorflow as tf

    policy = erlctl.load_policy(others["host"], "latest")
    assert policy.observation_shape == (8,)
    observations = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    saved = tf.saved_model.load(str(others["host"] / "policy"))
    from tf_agents.trajectories import time_step as ts

    expected = saved.action(ts.TimeStep(
        tf.fill([64], 1), tf.zeros([64]), tf.ones([64]), tf.constant(observations))).action
    assert policy(observations).tolist() == expected.numpy().tolist()
    assert len(set(policy(observations, deterministic=False).tolist())) == 2


def test_one_run_is_wanted(study, tmp_path):
    with pytest.raises(DomainError, match="there are 4 below it"):
        erlctl.load_policy(study)
    with pytest.raises(ErlctlError, match="no run found"):
        erlctl.load_policy(tmp_path)
