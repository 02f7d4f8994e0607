"""Stable-Baselines3's DQN or SAC with gradient steps after every step of the environments."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.env_util import make_vec_env
from work import EPSILON, GAMMA, LEARNING_RATE, LEARNING_STARTS, REPLAY_CAPACITY, Work, report


class Pooled(gymnasium.Env):
    """EnvPool's environment, one of them, as Gymnasium has it."""

    def __init__(self, identifier: str) -> None:
        import envpool

        self._pool = envpool.make_gymnasium(identifier, num_envs=1)
        self.observation_space = self._pool.observation_space
        self.action_space = self._pool.action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Return the first observation."""
        del seed, options
        return self._pool.reset()[0][0], {}

    def step(self, action: Any) -> Any:
        """Return observation, reward, terminated, truncated and info."""
        observation, reward, terminated, truncated, _ = self._pool.step(np.array([action]))
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}


def make_model(work: Work) -> Any:
    """Return the model with the settings that both algorithms share, and its own."""
    shared = {
        "learning_rate": LEARNING_RATE, "buffer_size": REPLAY_CAPACITY,
        "learning_starts": LEARNING_STARTS, "batch_size": work.batch_size, "gamma": GAMMA,
        "train_freq": 1, "gradient_steps": work.updates, "tau": work.target_update_polyak,
        "target_update_interval": work.target_update_every, "device": "cpu",
    }
    is_image = work.network == "nature"
    make = functools.partial(Pooled, work.environment) if is_image else work.environment
    environment = make_vec_env(make, work.num_envs)
    if is_image:
        return DQN("CnnPolicy", environment, exploration_initial_eps=EPSILON,
                   exploration_final_eps=EPSILON, **shared)
    shared["policy_kwargs"] = {"net_arch": list(work.hidden)}
    if work.algorithm == "sac":
        return SAC("MlpPolicy", environment, ent_coef="auto", **shared)
    return DQN(
        "MlpPolicy", environment, exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON, **shared,
    )


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    torch.set_num_threads(work.cores)
    model = make_model(work)
    model.learn(LEARNING_STARTS)

    def advance(num_steps: int) -> None:
        model.learn(num_steps, reset_num_timesteps=False, log_interval=None)

    report(work, advance)


if __name__ == "__main__":
    main()
