"""Stable-Baselines3's DQN or SAC with one gradient step after every environment step."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import DQN, SAC
from work import EPSILON, GAMMA, LEARNING_RATE, LEARNING_STARTS, REPLAY_CAPACITY, Work, report


def make_model(work: Work) -> Any:
    """Return the model with the settings that both algorithms share, and its own."""
    shared = {
        "learning_rate": LEARNING_RATE, "buffer_size": REPLAY_CAPACITY,
        "learning_starts": LEARNING_STARTS, "batch_size": work.batch_size, "gamma": GAMMA,
        "train_freq": 1, "gradient_steps": 1, "tau": work.target_update_polyak,
        "target_update_interval": work.target_update_every, "device": "cpu",
        "policy_kwargs": {"net_arch": list(work.hidden)},
    }
    if work.algorithm == "sac":
        return SAC("MlpPolicy", work.environment, ent_coef="auto", **shared)
    return DQN(
        "MlpPolicy", work.environment, exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON, **shared,
    )


def main() -> None:
    """Fill the replay, warm up, time."""
    torch.set_num_threads(1)
    work = Work.from_argv()
    model = make_model(work)
    model.learn(LEARNING_STARTS)

    def advance(num_steps: int) -> None:
        model.learn(num_steps, reset_num_timesteps=False, log_interval=None)

    report(work, advance)


if __name__ == "__main__":
    main()
