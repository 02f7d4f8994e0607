"""Home-made environments of every interface, good and bad; named as `module:factory` in tests."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import gym
import numpy as np
from gym import spaces


class Counter(gym.Env):
    """The observation is [episode, step, seed, last action]; it ends after `length` steps.

    `at` and `fault` choose the step of the first episode at which something goes wrong.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float64)
    action_space = spaces.Discrete(3)

    def __init__(self, length=5, truncates=False, fault="", at=3):
        self.length, self.truncates, self.fault, self.at = length, truncates, fault, at
        self.episode, self.step_index, self.seed_given = -1, 0, -1.0

    def reset(self, *, seed=None):
        self.episode += 1
        self.step_index = 0
        if seed is not None:
            self.seed_given = float(seed)
        if self.fault == "reset" and self.episode == 1:
            raise RuntimeError("no more episodes")
        return self._observation(0)

    def step(self, action):
        self.step_index += 1
        result = self._observation(action), float(self.step_index), self._done(), self._info()
        if self.fault and self.step_index == self.at:
            return _FAULTS[self.fault](result)
        return result

    def _done(self):
        return self.step_index >= self.length

    def _info(self):
        return {"TimeLimit.truncated": True} if self._done() and self.truncates else {}

    def _observation(self, action):
        return np.array([self.episode, self.step_index, self.seed_given % 1000, action], np.float64)

    def close(self):
        if self.fault == "close":
            raise RuntimeError("it does not close")


class Levers(gym.Env):
    """Two levers of two and three positions: the reward is the sum, the observation both."""

    observation_space = spaces.Box(0, 2, (2,), np.float32)
    action_space = spaces.MultiDiscrete([2, 3])

    def reset(self):
        self.count = 0
        return np.zeros(2, np.float32)

    def step(self, action):
        assert self.action_space.contains(action), action
        self.count += 1
        return np.float32(action), float(action.sum()), self.count >= 10, {}


def _raise(result):
    raise ValueError("the pole fell off")


def _sleep(result):
    time.sleep(60)
    return result


def _print(result):
    print("hello from the environment")
    return result


def _swallow(result):
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001 - what it is here for
            continue


def _go_deaf(result):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    return _sleep(result)


def _lock(result):
    """Wait for ever in compiled code that keeps Python's lock: no handler and no thread runs."""
    print("locked", file=sys.stderr, flush=True)
    mutex = ctypes.create_string_buffer(64)
    lock = ctypes.PyDLL(None).pthread_mutex_lock
    lock(mutex)
    lock(mutex)
    return result


_FAULTS = {
    "deaf": _go_deaf,
    "lock": _lock,
    "raise": _raise,
    "exit": lambda result: sys.exit(3),
    "die": lambda result: os._exit(7),
    "hang": _sleep,
    "swallow": _swallow,
    "print": _print,
    "shape": lambda result: (result[0][:3], *result[1:]),
    "dtype": lambda result: (np.array(["a", "b", "c", "d"]), *result[1:]),
    "none": lambda result: (None, *result[1:]),
    "nan": lambda result: (result[0] * np.nan, *result[1:]),
    "huge": lambda result: (result[0] + 1e300, *result[1:]),
    "reward": lambda result: (result[0], float("inf"), *result[2:]),
    "no_reward": lambda result: (result[0], None, *result[2:]),
    "reset": lambda result: result,
    "close": lambda result: result,
}


class OldCounter(Counter):
    """Gym before 0.22: seeds come through a method, `reset` takes nothing."""

    def seed(self, seed=None):
        self.seed_given = float(seed)

    def reset(self):
        return super().reset()


class FiveCounter(Counter):
    """Gymnasium's interface, from five-tuples alone."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed), {}

    def step(self, action):
        observation, reward, done, info = super().step(action)
        truncated = bool(info)
        return observation, reward, done and not truncated, truncated, info


def endless(**kwargs):
    """Return an environment that never ends."""
    return Counter(length=10**9, **kwargs)


def fails_to_start():
    """Raise."""
    raise OSError("no licence")


def not_an_environment():
    """Return something else."""
    return 42


def dm_counter(seed=-1, length=5, truncates=False):
    """Return the counter with dm_env's interface."""
    import dm_env
    from dm_env import specs

    class DmCounter(dm_env.Environment):
        def __init__(self):
            self.inner = Counter(length, truncates)
            self.inner.seed_given = float(seed)

        def reset(self):
            return dm_env.restart(self.inner.reset())

        def step(self, action):
            observation, reward, done, info = self.inner.step(int(action))
            if done:
                end = dm_env.truncation if info else dm_env.termination
                return end(reward, observation)
            return dm_env.transition(reward, observation)

        def observation_spec(self):
            return specs.Array((4,), np.float64)

        def action_spec(self):
            return specs.DiscreteArray(3)

    return DmCounter()


def py_counter(length=5, truncates=False):
    """Return the counter with the interface of TF-Agents' PyEnvironment."""
    from tf_agents.environments import py_environment
    from tf_agents.specs import array_spec
    from tf_agents.trajectories import time_step as ts

    class PyCounter(py_environment.PyEnvironment):
        def __init__(self):
            super().__init__()
            self.inner = Counter(length, truncates)

        def seed(self, seed):
            self.inner.seed_given = float(seed)

        def _reset(self):
            return ts.restart(self.inner.reset())

        def _step(self, action):
            observation, reward, done, info = self.inner.step(int(action))
            if done:
                end = ts.truncation if info else ts.termination
                return end(observation, reward)
            return ts.transition(observation, reward)

        def observation_spec(self):
            return array_spec.ArraySpec((4,), np.float64)

        def action_spec(self):
            return array_spec.BoundedArraySpec((), np.int64, 0, 2)

    return PyCounter()


class Continuous(gym.Env):
    """One-dimensional control: reward is minus the squared distance to the last action."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float64)

    def reset(self, *, seed=None):
        self.left = 8
        return np.zeros(2, np.float32)

    def step(self, action):
        assert action.dtype == np.float64, action.dtype
        self.left -= 1
        reward = -float(action[0] ** 2)
        return np.full(2, action[0] / 2, np.float32), reward, self.left == 0, {}


class Pictures(gym.Env):
    """Images whose pixels are 10 * episode + step."""

    observation_space = spaces.Box(0, 255, (4, 4, 1), np.uint8)
    action_space = spaces.Discrete(2)

    def __init__(self, length=4):
        self.length, self.episode = length, -1

    def reset(self, *, seed=None):
        self.episode, self.index = self.episode + 1, 0
        return self._image()

    def step(self, action):
        self.index += 1
        return self._image(), 100.0, self.index == self.length, {}

    def _image(self):
        return np.full((4, 4, 1), (10 * self.episode + self.index) % 256, np.uint8)

    def render(self, mode="human"):
        return np.zeros((8, 8, 3), np.uint8)
