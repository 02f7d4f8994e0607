"""A run on environments that live on the host: one call into TensorFlow for each vector step.

A vector step is: the environments take the chosen actions, the replay is written, and one call does
the updates that are due and chooses the next actions. Same agents, same order of events and same
random streams as in the compiled program; only environments and replay are not TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from erlctl.environments.host import backends
from erlctl.environments.host.base import HostStep
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.base import TrainingProgram
from erlctl.training.chunk import Chunk, Episodes
from erlctl.training.evaluator import Film, PolicyName
from erlctl.training.host_batch import Border
from erlctl.training.host_call import HostCall
from erlctl.training.host_evaluator import HostEvaluator, draw_seeds
from erlctl.training.host_export import NormalisedPolicy
from erlctl.training.host_replay import HostReplay, batch_frames
from erlctl.training.host_signals import FrameWindows, Signals
from erlctl.training.seeding import Stream

MAX_CHUNK = 65_536


class HostProgram(TrainingProgram):
    """One run of host environments; `start` makes it a fresh run of any seed.

    Args:
        run: Resolved spec. Its seed is that of the first `start`, which happens here.

    Raises:
        ErlctlError: The backend's package is missing, or the environment cannot be used.
        EnvironmentFault: The environment cannot be made.
    """

    max_chunk = MAX_CHUNK

    def __init__(self, run: RunSpec) -> None:
        section, training = run.environment, run.training
        num_envs = section.num_envs
        self.backend = backends.resolve(section)
        self._vector = make_vector(section, num_envs)
        self._signals = Signals(section.wrappers, self._vector)
        n_step = getattr(run.agent, "n_step", 1)
        stack = self._signals.frame_stack
        self._border = Border(self._vector, stack, batch_frames(stack, n_step))
        super().__init__(
            run, ts.time_step_spec(self._border.observation_spec), self._border.action_spec
        )
        space, action = self._vector.observation, self._border.action_spec
        self._replay = HostReplay(
            space.shape, space.dtype, tuple(action.shape), action.dtype.as_numpy_dtype,
            num_envs=num_envs, capacity=training.replay_capacity,
            frame_stack=stack, n_step=n_step, gamma=run.agent.gamma,
        )
        self._windows = FrameWindows(num_envs, space.shape, space.dtype, stack)
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self._evaluator = HostEvaluator(
            run, self.agent, self._counters["step"], border=self._border, signals=self._signals,
            xla=self.is_xla,
        )
        self._make_calls(run)
        self.remember_pristine()
        self.start(run.seed)

    def _make_calls(self, run: RunSpec) -> None:
        training = run.training
        clock = tf.TensorSpec((), tf.int64)
        now = self._border.observations_signature(run.environment.num_envs)
        batches = self._border.batch_signature(training.updates, training.batch_size)
        self._act = HostCall(self._act_graph, [clock, now], xla=self.is_xla)
        self._turn = HostCall(self._turn_graph, [clock, now, *batches], xla=self.is_xla)
        self._diagnose = HostCall(
            self._diagnose_graph, self._border.batch_signature(1, training.batch_size),
            xla=self.is_xla,
        )

    def groups(self) -> Mapping[str, Mapping[str, tf.Variable]]:
        """Return nothing: what the host adds to the state is arrays."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return stable name -> variable or array; the environments themselves cannot be saved."""
        replay = {f"replay/{name}": array for name, array in self._replay.state().items()}
        normaliser = self._signals.normaliser
        statistics = normaliser.state() if normaliser else {}
        return {
            **super().state(), **replay,
            **{f"normaliser/{name}": array for name, array in statistics.items()},
        }

    @property
    def weights_names(self) -> frozenset[str]:
        """Names in `state()` of what acting needs: weights, and how observations are normalised."""
        return frozenset(
            name for name in self.state() if name.startswith(("agent/weights/", "normaliser/"))
        )

    def notes_on_resume(self) -> list[str]:
        """Return what a resumed run should tell."""
        return [
            f"{self.backend} environments cannot be saved: each of the {self._vector.num_envs} "
            "begins a new episode"
        ]

    def start(self, seed: int) -> None:
        """Make this a fresh run with `seed`; nothing is compiled again."""
        super().start(seed)
        self._replay.clear()
        if self._signals.normaliser:
            self._signals.normaliser.clear()
        self._evaluator.seed = seed
        self._keys = {s: int(seeding.key_of(seed, s).astype(np.uint64))
                      for s in (Stream.REPLAY, Stream.DIAGNOSTICS)}
        self._fault: EnvironmentFault | None = None
        self._action: np.ndarray | None = None
        self._acting_at = -1  # step that the environments and `_action` belong to

    def take_steps(self, num_steps: int) -> Chunk:
        """Take `num_steps` environment steps (a multiple of num_envs) with their updates.

        Where an environment breaks in the middle, the steps before are returned and the next call
        raises: the state is then that of the last good step.

        Raises:
            EnvironmentFault: An environment broke.
        """
        if self._fault:
            raise self._fault
        first, num_envs = self.step, self.run.environment.num_envs
        if first != self._acting_at:
            self._begin(first)
        step, updates = first, self.updates
        ended: list[tuple[int, float, int]] = []
        while step < first + num_steps:
            try:
                arrived = self._step_environments()
            except EnvironmentFault as fault:
                if step == first:
                    raise
                self._fault = fault
                break
            step += num_envs
            self._store(arrived, step, ended)
            updates += self._learn_and_act(step, updates)
            self._acting_at = step
        steps, returns, lengths = zip(*ended, strict=True) if ended else ((), (), ())
        return self.finish_chunk(Episodes(
            np.array(steps, np.int64), np.array(returns, np.float64), np.array(lengths, np.int64)
        ))

    def _begin(self, step: int) -> None:
        """Begin new episodes: at the start, and where a restored state has no environments."""
        seeds = draw_seeds(self.generators[Stream.ENVIRONMENT], self._vector.num_envs)
        frames = self._vector.reset(seeds)
        self._replay.begin(frames)
        self._windows.begin(frames)
        if self._signals.normaliser:
            self._signals.normaliser.update(frames)
        self._returns[:], self._lengths[:] = 0.0, 0
        self._action = self._act(np.int64(step), self._observations()).numpy()
        self._acting_at = step

    def _step_environments(self) -> HostStep:
        assert self._action is not None  # chosen in the step before, or by `_begin`
        return self._vector.step(self._action)

    def _store(self, arrived: HostStep, step: int, ended: list[tuple[int, float, int]]) -> None:
        """Write a vector step to the replay and note the episodes that ended in it."""
        assert self._action is not None
        self._replay.append(
            self._action, self._signals.rewards(arrived.reward), ~arrived.terminated,
            arrived.final_observation,
        )
        self._returns += arrived.reward
        self._lengths += 1
        is_over = arrived.terminated | arrived.truncated
        if is_over.any():
            self._replay.begin(arrived.observation, is_over)
            ended.extend(
                (step, float(self._returns[i]), int(self._lengths[i]))
                for i in is_over.nonzero()[0]
            )
            self._returns[is_over], self._lengths[is_over] = 0.0, 0
        self._windows.push(arrived.observation, is_over)
        if self._signals.normaliser:
            self._signals.normaliser.update(arrived.observation)

    def _learn_and_act(self, step: int, updates_before: int) -> int:
        """Do the updates that are due and choose the next actions; return how many updates."""
        training = self.run.training
        # Stored and not done steps: a run resumed without its replay refills it first.
        is_ready = self._replay.num_stored > training.learning_starts and self._replay.can_sample
        vector_step = step // self.run.environment.num_envs
        if not is_ready or vector_step % training.train_every:
            self._action = self._act(np.int64(step), self._observations()).numpy()
            return 0
        packed = self._sample(training.updates, Stream.REPLAY, updates_before)
        self._action = self._turn(np.int64(step), self._observations(), *packed).numpy()
        return training.updates

    def _observations(self) -> np.ndarray:
        return self._signals.observations(self._windows.windows)

    def _sample(self, updates: int, stream: Stream, draw: int) -> list[np.ndarray]:
        batch = self._replay.sample(
            updates * self.run.training.batch_size, key=self._keys[stream], draw=draw
        )
        if self._signals.normaliser:
            batch = batch._replace(frames=self._signals.observations(batch.frames))
        return self._border.pack(batch, updates)

    def _act_graph(self, step: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
        self._counters["step"].assign(step)
        return self.collect_policy.action(self._border.step_of(windows)).action

    def _turn_graph(self, step: tf.Tensor, windows: tf.Tensor, *packed: tf.Tensor) -> tf.Tensor:
        self._counters["step"].assign(step)

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            self.update(self._border.transition_of([part[i] for part in packed]))
            return (i + 1,)

        updates = self.run.training.updates
        if updates == 1:  # a loop of one turn would cost 10 us
            body(0)
        else:
            tf.while_loop(lambda i: i < updates, body, [tf.constant(0)], parallel_iterations=1)
        return self.collect_policy.action(self._border.step_of(windows)).action

    def _diagnose_graph(self, *packed: tf.Tensor) -> dict[str, tf.Tensor]:
        figures: dict[str, tf.Tensor] = self.agent.diagnostics(
            self._border.transition_of([part[0] for part in packed])
        )
        return figures

    def diagnose(self) -> Mapping[str, tf.Tensor]:
        """Return the agent's diagnostics of a batch from a random stream of its own."""
        figures: dict[str, tf.Tensor] = self._diagnose(
            *self._sample(1, Stream.DIAGNOSTICS, self.updates)
        )
        return figures

    def evaluate(
        self, num_episodes: int, *, seed: int | None = None, policy: PolicyName = "evaluation"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (returns float64, lengths int64); see `training.program.Program.evaluate`."""
        return self._evaluator.evaluate(num_episodes, seed=seed, policy=policy)

    def evaluation_policy(self) -> Any:
        """Return the policy that `export_policy` saves."""
        policy = super().evaluation_policy()
        normaliser = self._signals.normaliser
        if normaliser is None:
            return policy
        return NormalisedPolicy(policy, normaliser, self._signals.frame_stack)

    def film(self, *, seed: int, policy: PolicyName) -> Film:
        """Return the pictures of one fresh episode; none where the environment draws none."""
        return self._evaluator.film(seed=seed, policy=policy)

    def close(self) -> None:
        """End every environment."""
        self._vector.close()
        self._evaluator.close()
