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

from erlctl.environments.host.base import HostStep
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault
from erlctl.spec.schema import RunSpec
from erlctl.training import seeding
from erlctl.training.base import TrainingProgram
from erlctl.training.chunk import Chunk, Episodes
from erlctl.training.export import NormalisedPolicy
from erlctl.training.host_batch import BatchCodec
from erlctl.training.host_call import HostCall
from erlctl.training.host_evaluator import HostEvaluator, draw_seeds
from erlctl.training.host_preprocessing import EpisodeTally, FrameWindows, Preprocessing
from erlctl.training.host_replay import HostReplay, batch_frames
from erlctl.training.learner import Learner
from erlctl.training.seeding import Stream

MAX_CHUNK = 65_536


class HostProgram(TrainingProgram):
    """One run of host environments; `start` makes it a fresh run of another.

    Args:
        run: Resolved spec, of the first `start`, which happens here.

    Raises:
        ErlctlError: The backend's package is missing, or the environment cannot be used.
        EnvironmentFault: The environment cannot be made.
    """

    max_chunk = MAX_CHUNK

    def __init__(self, run: RunSpec) -> None:
        section, training = run.environment, run.training
        num_envs, n_step = section.num_envs, run.agent.n_step
        self._vector = make_vector(section, num_envs)
        self._preprocessing = Preprocessing(section.wrappers, self._vector)
        stack = self._preprocessing.frame_stack
        self._codec = BatchCodec(self._vector, stack, batch_frames(stack, n_step))
        space, action = self._vector.observation, self._codec.action_spec
        self._replay = HostReplay(
            space.shape, space.dtype, tuple(action.shape), action.dtype.as_numpy_dtype,
            num_envs=num_envs, capacity=training.replay_capacity,
            frame_stack=stack, n_step=n_step,
        )
        self._windows = FrameWindows(num_envs, space.shape, space.dtype, stack)
        self._tally = EpisodeTally(num_envs)
        learner = Learner(
            run, ts.time_step_spec(self._codec.observation_spec), action,
            seeding.make_generators(),
        )
        self._make_calls(learner)
        evaluator = HostEvaluator(learner, codec=self._codec, preprocessing=self._preprocessing)
        super().__init__(learner, evaluator, {})

    def _make_calls(self, learner: Learner) -> None:
        run, training = learner.run, learner.run.training
        clock = tf.TensorSpec((), tf.int64)
        now = self._codec.observations_signature(run.environment.num_envs)
        batches = self._codec.batch_signature(training.updates, training.batch_size)
        self._act = HostCall(self._act_graph, [clock, now], xla=learner.is_xla)
        self._turn = HostCall(self._turn_graph, [clock, now, *batches], xla=learner.is_xla)
        self._diagnose = HostCall(
            self._diagnose_graph, self._codec.batch_signature(1, training.batch_size),
            xla=learner.is_xla,
        )

    def state(self) -> dict[str, Any]:
        """Return stable name -> variable or array; the environments themselves cannot be saved."""
        replay = {f"replay/{name}": array for name, array in self._replay.state().items()}
        normaliser = self._preprocessing.normaliser
        statistics = normaliser.state() if normaliser else {}
        return {
            **super().state(), **replay,
            **{f"normaliser/{name}": array for name, array in statistics.items()},
        }

    def notes_on_resume(self) -> list[str]:
        """Return what a resumed run should tell."""
        return [
            f"{self.run.environment.backend} environments cannot be saved: each of the "
            f"{self._vector.num_envs} begins a new episode"
        ]

    def begin(self, seed: int) -> None:
        """Empty the replay; the environments begin with the first step."""
        self._replay.clear()
        self._replay.gamma = self.run.agent.gamma
        if self._preprocessing.normaliser:
            self._preprocessing.normaliser.clear()
        self._keys = {s: int(seeding.key_of(seed, s).astype(np.uint64))
                      for s in (Stream.REPLAY, Stream.DIAGNOSTICS, Stream.AGENT)}
        self._fault: EnvironmentFault | None = None
        self._action: np.ndarray | None = None
        self._acting_at = -1  # step that the environments and `_action` belong to

    @property
    def num_stored(self) -> int:
        """Transitions ever written to the replay."""
        return self._replay.num_stored

    def sample_observations(self, count: int) -> tf.Tensor:
        """Return `count` observations from the replay, [count, ...], by the agent's stream."""
        packed = self._sample(1, Stream.AGENT, 0, size=count)
        parts = [tf.constant(part[0]) for part in packed]
        return self._codec.transition_of(parts).time_step.observation

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
            self._begin_episodes(first)
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
        return self._learner.finish_chunk(Episodes(
            np.array(steps, np.int64), np.array(returns, np.float64), np.array(lengths, np.int64)
        ))

    def _begin_episodes(self, step: int) -> None:
        """Begin new episodes: at the start, and where a restored state has no environments."""
        seeds = draw_seeds(self._learner.generators[Stream.ENVIRONMENT], self._vector.num_envs)
        frames = self._vector.reset(seeds)
        self._replay.begin(frames)
        self._windows.begin(frames)
        if self._preprocessing.normaliser:
            self._preprocessing.normaliser.update(frames)
        self._tally.clear()
        self._action = self._act(np.int64(step), self._observations()).numpy()
        self._acting_at = step

    def _step_environments(self) -> HostStep:
        assert self._action is not None  # chosen in the step before, or by `_begin`
        return self._vector.step(self._action)

    def _store(self, arrived: HostStep, step: int, ended: list[tuple[int, float, int]]) -> None:
        """Write a vector step to the replay and note the episodes that ended in it."""
        assert self._action is not None
        self._replay.append(
            self._action, self._preprocessing.rewards(arrived.reward), ~arrived.terminated,
            arrived.final_observation,
        )
        self._tally.add(arrived.reward)
        is_over = arrived.terminated | arrived.truncated
        if is_over.any():
            self._replay.begin(arrived.observation, is_over)
            ended.extend((step, *self._tally.take(i)) for i in is_over.nonzero()[0])
        self._windows.push(arrived.observation, is_over)
        if self._preprocessing.normaliser:
            self._preprocessing.normaliser.update(arrived.observation)

    def _learn_and_act(self, step: int, updates_before: int) -> int:
        """Do the updates that are due and choose the next actions; return how many updates."""
        training = self.run.training
        if not self._learner.is_due(step, self._replay.num_stored, self._replay.can_sample):
            self._action = self._act(np.int64(step), self._observations()).numpy()
            return 0
        packed = self._sample(training.updates, Stream.REPLAY, updates_before)
        self._action = self._turn(np.int64(step), self._observations(), *packed).numpy()
        return training.updates

    def _observations(self) -> np.ndarray:
        return self._preprocessing.observations(self._windows.windows)

    def _sample(
        self, updates: int, stream: Stream, draw: int, *, size: int | None = None
    ) -> list[np.ndarray]:
        """Return `updates` batches of `size` transitions (None: the spec's), packed."""
        batch = self._replay.sample(
            updates * (size or self.run.training.batch_size), key=self._keys[stream], draw=draw
        )
        if self._preprocessing.normaliser:
            batch = batch._replace(frames=self._preprocessing.observations(batch.frames))
        return self._codec.pack(batch, updates)

    def _act_graph(self, step: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
        self._learner.clock.assign(step)
        return self._learner.collect_policy.action(self._codec.step_of(windows)).action

    def _turn_graph(self, step: tf.Tensor, windows: tf.Tensor, *packed: tf.Tensor) -> tf.Tensor:
        self._learner.clock.assign(step)

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            self._learner.update(self._codec.transition_of([part[i] for part in packed]))
            return (i + 1,)

        updates = self.run.training.updates
        if updates == 1:  # a loop of one turn would cost 10 us
            body(0)
        else:
            tf.while_loop(lambda i: i < updates, body, [tf.constant(0)], parallel_iterations=1)
        return self._learner.collect_policy.action(self._codec.step_of(windows)).action

    def _diagnose_graph(self, *packed: tf.Tensor) -> dict[str, tf.Tensor]:
        figures: dict[str, tf.Tensor] = self.agent.diagnostics(
            self._codec.transition_of([part[0] for part in packed])
        )
        return figures

    def diagnose(self) -> Mapping[str, tf.Tensor]:
        """Return the agent's diagnostics of a batch from a random stream of its own."""
        figures: dict[str, tf.Tensor] = self._diagnose(
            *self._sample(1, Stream.DIAGNOSTICS, self.updates)
        )
        return figures

    def on_raw(self, policy: Any) -> Any:
        """Return what takes the environment's observations and acts as `policy`."""
        normaliser = self._preprocessing.normaliser
        if normaliser is None:
            return policy
        return NormalisedPolicy(policy, normaliser, self._preprocessing.frame_stack)

    def close(self) -> None:
        """End every environment."""
        super().close()
        self._vector.close()
