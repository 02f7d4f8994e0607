"""`erlctl.load_policy`: a trained agent that acts on NumPy arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl import registry, spec
from erlctl.environments.space import Space, Spaces
from erlctl.errors import DomainError
from erlctl.experiment import look_at
from erlctl.experiment.trust import require
from erlctl.runs.evaluate import Player, Which
from erlctl.runs.layout import RunPaths, find_runs, no_run
from erlctl.spec.schema import RunSpec

if TYPE_CHECKING:
    from erlctl.training.evaluator import PolicyName

Act = Callable[[np.ndarray], np.ndarray]


class Policy:
    """A trained agent: `policy(observation) -> action`.

    Random actions come from a generator of its own, seeded by `load_policy`. An observation is what
    the environment gives, as erlctl sees it: uint8 images, else float32; a discrete state as a
    one-hot vector; with `frame_stack: K` the newest K frames joined on the last axis.

    Args:
        run: Resolved spec.
        step: Environment steps of the checkpoint.
        spaces: What it takes and gives.
        acts: By `deterministic`: function from observations [B, ...] to actions [B, ...].
        bounds: Lowest and highest continuous action, None for discrete ones.

    Attributes:
        spec: Resolved spec of the run.
        step: Environment steps of the checkpoint; a planner's iterations.
        observation_shape: Shape of one observation.
        observation_dtype: NumPy's type of it.
        num_actions: How many discrete actions there are, else 0.
        factors: Number of values of each factor of a multi-discrete action, else ().
        action_low, action_high: Bounds of a continuous action, None for discrete ones.
    """

    def __init__(
        self, run: RunSpec, step: int, spaces: Spaces, acts: Mapping[bool, Act],
        bounds: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    ) -> None:
        self.spec, self.step = run, step
        self.observation_shape = spaces.observation.shape
        self.observation_dtype = np.dtype(spaces.observation.dtype)
        self.num_actions, self.factors = spaces.action.num_actions, spaces.action.factors
        self.action_low, self.action_high = bounds
        self._acts = acts

    def __call__(
        self, observation: Any, *, deterministic: bool = True
    ) -> int | np.ndarray:
        """Return the action for an observation, or the actions for a batch of them.

        Args:
            observation: Shape `observation_shape`, or [B, ...] of these.
            deterministic: True: the greedy action (of SAC: the mean's). False: one as in training
                at the checkpoint's step, a draw of the behaviour policy.

        Returns:
            Discrete: an int, or int32 [B]. Multi-discrete, of M factors: int32 [M], or [B, M].
            Continuous: float32 in the environment's units, of the
            action's shape, or [B, ...].

        Raises:
            DomainError: The observation has another shape or type, or is not finite.
        """
        array, is_batch = self._checked(observation)
        action = self._acts[deterministic](array)
        if is_batch:
            return action
        return int(action[0]) if self.num_actions else action[0]

    def __repr__(self) -> str:
        acts = (f"{self.num_actions} actions" if self.num_actions
                else f"actions of {list(self.factors)} values" if self.factors
                else "continuous actions")
        return (f"<policy of {self.spec.agent.registered_name} in {self.spec.environment.id} "
                f"at step {self.step}: {self.observation_dtype} {list(self.observation_shape)} "
                f"-> {acts}>")

    def _checked(self, observation: Any) -> tuple[np.ndarray, bool]:
        """Return a batch [B, ...] of the right type, and whether a batch was given."""
        shape, dtype = self.observation_shape, self.observation_dtype
        expected = f"{dtype} of shape {list(shape)} or [B, {str(list(shape))[1:]}"
        array = np.asarray(observation)
        if array.dtype.kind not in "fiub":
            raise DomainError("observation", f"type {array.dtype}", expected)
        if array.shape != shape and array.shape[1:] != shape:
            raise DomainError("observation", f"shape {list(array.shape)}", expected)
        if dtype == np.uint8 and array.dtype != np.uint8:
            raise DomainError("observation", f"type {array.dtype}", expected,
                              fix="images are not scaled: give the bytes from 0 to 255")
        with np.errstate(over="ignore"):
            converted = array.astype(dtype)
        if not np.isfinite(converted).all():
            raise DomainError("observation", "nan or an infinite number", f"finite {expected}")
        is_batch = array.shape != shape
        return (converted if is_batch else converted[np.newaxis]), is_batch


def load_policy(
    run: str | os.PathLike[str], checkpoint: Which = "best", *, seed: int = 0,
    trusted: Sequence[str] = (),
) -> Policy:
    """Return the agent of a run as it was at a checkpoint.

    TensorFlow takes seconds to start; a planner's policy is a table and needs none.

    Args:
        run: Run directory.
        checkpoint: "best" (of its evaluations), "latest", or a step.
        seed: Of the random actions of `deterministic=False`.
        trusted: Modules that the environment may come from, and files that register entries.

    Raises:
        ErlctlError: It is no run, or there is no such checkpoint.
        DamagedError: The checkpoint is damaged.
    """
    found = find_runs([Path(run)])
    if len(found.runs) != 1:
        if not found.runs:
            raise no_run(found.skipped)
        raise DomainError("run", str(run), f"one run; there are {len(found.runs)} below it",
                          fix=f"for example {found.runs[0].root}")
    paths: RunPaths = found.runs[0]
    registry.load_files([name for name in trusted if registry.is_file(name)])
    own = spec.load_run(paths.spec)
    require([own.environment], trusted)
    if own.agent.base != "planner":
        from erlctl.tensorflow_setup import quieten_tensorflow

        quieten_tensorflow()
    from erlctl.training.factory import make_program

    with closing(Player(make_program)) as player:
        resolved, program, step = player.load(paths, checkpoint)
        make = _of_a_planner if own.agent.base == "planner" else _of_a_network
        return make(resolved, program, step, seed)


def _of_a_network(run: RunSpec, program: Any, step: int, seed: int) -> Policy:
    agent = program.agent
    observation, action = agent.time_step_spec.observation, agent.action_spec
    spaces = Spaces(
        observation=Space(tuple(observation.shape), observation.dtype.name),
        action=_action_space(action), time_limit=None)
    return Policy(
        run, step, spaces,
        {True: _act(program.policy("greedy", seed)), False: _act(program.policy("collect", seed))},
        (np.array(action.minimum), np.array(action.maximum))
        if spaces.action_kind == "continuous" else (None, None))


def _action_space(action: Any) -> Space:
    if not action.dtype.is_integer:
        return Space(tuple(action.shape), action.dtype.name)
    sizes = (np.broadcast_to(action.maximum, action.shape) + 1).tolist()
    return Space.multi_discrete(*sizes) if action.shape.rank else Space.discrete(count=sizes)


def _of_a_planner(run: RunSpec, program: Any, step: int, seed: int) -> Policy:
    """A table of probabilities [S, A], by state: no TensorFlow."""
    from erlctl.planning.model import draw, thresholds  # SciPy

    (spaces,) = look_at([run.environment])
    generator = np.random.default_rng(seed)
    is_index = not spaces.observation.shape

    def act(name: PolicyName) -> Act:
        table = program.policy_table(name)
        limits = thresholds(table)

        def actions(observation: np.ndarray) -> np.ndarray:
            states = observation.astype(int) if is_index else observation.argmax(-1)
            if name == "greedy":
                return table.argmax(-1)[states].astype(np.int32)
            return draw(generator.random(len(states)), limits[states]).astype(np.int32)

        return actions

    return Policy(run, step, spaces, {True: act("greedy"), False: act("collect")})


def _act(policy: Any) -> Act:
    """Return a function from observations [B, ...] to actions [B, ...]."""
    import tensorflow as tf
    from tf_agents.trajectories import time_step as ts

    @tf.function(autograph=False)
    def act(observation: tf.Tensor) -> tf.Tensor:
        count = observation.shape[0]
        return policy.action(ts.TimeStep(
            tf.fill([count], ts.StepType.MID), tf.zeros([count]), tf.ones([count]), observation,
        )).action

    def call(observation: np.ndarray) -> np.ndarray:
        actions: np.ndarray = act(tf.constant(observation)).numpy()
        return actions

    return call
