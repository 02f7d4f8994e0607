"""DQN in JAX with the whole experiment as one `lax.scan`: what PureJaxRL's DQN does, in our words.

One gymnax environment, a flashbax item buffer, a flax MLP and optax's Adam; one update after every
step, the target network copied every so many updates. With `work.seeds` above 1 that many runs are
vmapped in one program; the rate then counts the steps of all of them.
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

from functools import partial
from typing import Any

import flashbax
import flax.linen as nn
import gymnax
import jax
import jax.numpy as jnp
import optax
from work import (
    EPSILON,
    GAMMA,
    LEARNING_RATE,
    LEARNING_STARTS,
    REPLAY_CAPACITY,
    Work,
    report,
)


class QNetwork(nn.Module):
    """An MLP from observations to one value per action."""

    hidden: tuple[int, ...]
    num_actions: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return action values [..., A]."""
        for units in self.hidden:
            x = nn.relu(nn.Dense(units)(x))
        return nn.Dense(self.num_actions)(x)


class Run:
    """One run's functions: `start` makes its state, `advance` scans over steps."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.environment, self.parameters = gymnax.make(work.environment)
        self.network = QNetwork(work.hidden, self.environment.num_actions)
        self.optimizer = optax.adam(LEARNING_RATE)
        self.buffer = flashbax.make_item_buffer(
            max_length=REPLAY_CAPACITY, min_length=work.batch_size,
            sample_batch_size=work.batch_size,
        )

    def start(self, key: jax.Array) -> dict[str, Any]:
        """Return the state of a fresh run."""
        key, reset_key, network_key = jax.random.split(key, 3)
        observation, environment = self.environment.reset(reset_key, self.parameters)
        weights = self.network.init(network_key, observation)
        row = {
            "observation": observation, "action": jnp.int32(0), "reward": jnp.float32(0),
            "discount": jnp.float32(0), "next_observation": observation,
        }
        return {
            "key": key, "environment": environment, "observation": observation,
            "weights": weights, "target": jax.tree.map(jnp.copy, weights),
            "optimizer": self.optimizer.init(weights), "replay": self.buffer.init(row),
            "updates": jnp.int32(0),
        }

    def step(self, state: dict[str, Any], _: None, *, learn: bool) -> tuple[dict[str, Any], None]:
        """Act, store, and update once if `learn`."""
        key, coin_key, action_key, step_key, sample_key = jax.random.split(state["key"], 5)
        greedy = self.network.apply(state["weights"], state["observation"]).argmax()
        uniform = jax.random.randint(action_key, (), 0, self.environment.num_actions)
        epsilon = EPSILON if learn else 1.0
        action = jnp.where(jax.random.uniform(coin_key) < epsilon, uniform, greedy)
        observation, environment, reward, is_over, _ = self.environment.step(
            step_key, state["environment"], action, self.parameters
        )
        row = {
            "observation": state["observation"], "action": action.astype(jnp.int32),
            "reward": jnp.float32(reward), "discount": 1.0 - jnp.float32(is_over),
            "next_observation": observation,
        }
        state = state | {
            "key": key, "environment": environment, "observation": observation,
            "replay": self.buffer.add(state["replay"], row),
        }
        return (self.update(state, sample_key) if learn else state), None

    def update(self, state: dict[str, Any], key: jax.Array) -> dict[str, Any]:
        """Return the state after one update."""
        batch = self.buffer.sample(state["replay"], key).experience

        def loss_of(weights: Any) -> jax.Array:
            q_next = self.network.apply(state["target"], batch["next_observation"]).max(-1)
            target = batch["reward"] + GAMMA * batch["discount"] * q_next
            q = self.network.apply(weights, batch["observation"])
            chosen = jnp.take_along_axis(q, batch["action"][:, None], axis=-1)[:, 0]
            return optax.huber_loss(chosen, target).mean()

        gradients = jax.grad(loss_of)(state["weights"])
        changes, optimizer = self.optimizer.update(gradients, state["optimizer"])
        weights = optax.apply_updates(state["weights"], changes)
        updates = state["updates"] + 1
        target = jax.lax.cond(
            updates % self.work.target_update_every == 0,
            lambda: weights, lambda: state["target"],
        )
        return state | {
            "weights": weights, "target": target, "optimizer": optimizer, "updates": updates,
        }


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    run = Run(work)
    keys = jax.random.split(jax.random.PRNGKey(0), work.seeds)
    state = jax.vmap(run.start)(keys)

    @partial(jax.jit, static_argnames=("num_steps", "learn"), donate_argnums=0)
    def advance(state: dict[str, Any], num_steps: int, learn: bool) -> dict[str, Any]:
        def one(own: dict[str, Any]) -> dict[str, Any]:
            return jax.lax.scan(partial(run.step, learn=learn), own, None, num_steps)[0]

        # Without vmap for one run: it would turn the target's branch into a copy at each update.
        if work.seeds == 1:
            lone = one(jax.tree.map(lambda x: x[0], state))
            return jax.tree.map(lambda x: x[None], lone)
        return jax.vmap(one)(state)

    state = advance(state, LEARNING_STARTS, learn=False)
    chunk = max(work.steps // work.seeds // 4, 1)  # compiled in the warm-up, used in the timing
    states = [state]

    def take(num_steps: int) -> None:
        for _ in range(max(num_steps // work.seeds // chunk, 1)):
            states[0] = jax.block_until_ready(advance(states[0], chunk, learn=True))

    report(work, take)


if __name__ == "__main__":
    main()
