"""Stable-Baselines3's DQN with one gradient step after every environment step."""

from __future__ import annotations

import torch
from stable_baselines3 import DQN
from work import (
    EPSILON,
    GAMMA,
    LEARNING_RATE,
    LEARNING_STARTS,
    REPLAY_CAPACITY,
    TARGET_UPDATE_EVERY,
    Work,
    report,
)


def main() -> None:
    """Fill the replay, warm up, time."""
    torch.set_num_threads(1)
    work = Work.from_argv()
    model = DQN(
        "MlpPolicy", work.environment, learning_rate=LEARNING_RATE, buffer_size=REPLAY_CAPACITY,
        learning_starts=LEARNING_STARTS, batch_size=work.batch_size, gamma=GAMMA,
        train_freq=1, gradient_steps=1, target_update_interval=TARGET_UPDATE_EVERY,
        exploration_initial_eps=EPSILON, exploration_final_eps=EPSILON, device="cpu",
        policy_kwargs={"net_arch": list(work.hidden)},
    )
    model.learn(LEARNING_STARTS)

    def advance(num_steps: int) -> None:
        model.learn(num_steps, reset_num_timesteps=False, log_interval=None)

    report(work, advance)


if __name__ == "__main__":
    main()
