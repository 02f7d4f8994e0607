"""SBX, Stable-Baselines in JAX: DQN or SAC with gradient steps after every step."""

from __future__ import annotations

import os

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

from typing import Any

from sbx import DQN, SAC
from stable_baselines3.common.env_util import make_vec_env
from work import EPSILON, GAMMA, LEARNING_RATE, LEARNING_STARTS, REPLAY_CAPACITY, Work, report


def make_model(work: Work) -> Any:
    """Return the model of `work`."""
    shared = {
        "learning_rate": LEARNING_RATE, "buffer_size": REPLAY_CAPACITY,
        "learning_starts": LEARNING_STARTS, "batch_size": work.batch_size, "gamma": GAMMA,
        "train_freq": 1, "gradient_steps": work.updates, "tau": work.target_update_polyak,
        "policy_kwargs": {"net_arch": list(work.hidden)},
    }
    environment = make_vec_env(work.environment, work.num_envs)
    if work.algorithm == "sac":
        return SAC("MlpPolicy", environment, ent_coef="auto", **shared)
    return DQN(
        "MlpPolicy", environment, exploration_initial_eps=EPSILON, exploration_final_eps=EPSILON,
        target_update_interval=work.target_update_every, **shared,
    )


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    model = make_model(work)
    model.learn(LEARNING_STARTS)

    def advance(num_steps: int) -> None:
        model.learn(num_steps, reset_num_timesteps=False, log_interval=None)

    report(work, advance)


if __name__ == "__main__":
    main()
