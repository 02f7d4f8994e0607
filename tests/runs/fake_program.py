"""A run without an agent: every number follows from the seed and the step. Also a child process.

    python fake_program.py SPEC_YAML RUNS_DIR [SECONDS_PER_ADVANCE]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf


class FakeProgram:
    """Has the interface of `erlctl.training.protocol.Program` as far as loop and storage use it.

    Attributes:
        diverges_at: Step at which the loss becomes nan.
        raises_at: Step at which the environment raises.
    """

    max_chunk = 8192
    metric_names = ("loss", "epsilon")

    def __init__(self, run, *, replay_rows=50, diverges_at=None, raises_at=None, error=None,
                 seconds=0.0):
        self.run = run
        self.diverges_at, self.raises_at = diverges_at, raises_at
        self.error = error or RuntimeError("the pole fell off")
        self.seconds = seconds
        self._state = {
            "counters/step": tf.Variable(0, dtype=tf.int64),
            "counters/sums": tf.Variable(np.zeros(2)),
            "agent/weights/w": tf.Variable(np.zeros((2, 3), np.float32)),
            "agent/optimizer/m": tf.Variable(np.zeros((2, 3), np.float32)),
            "replay/rows": tf.Variable(np.zeros((replay_rows, 2), np.float32)),
        }
        self.weights_names = frozenset({"agent/weights/w"})
        self.replay_names = frozenset({"replay/rows"})
        self.start(run)

    def fits(self, run):
        return True

    def start(self, run):
        for variable in self._state.values():
            variable.assign(tf.zeros_like(variable))
        self._state["agent/weights/w"].assign(np.full((2, 3), run.seed, np.float32))

    def state(self):
        return self._state

    @property
    def step(self):
        return int(self._state["counters/step"].numpy())

    @property
    def updates(self):
        return self.step

    def advance(self, num_steps):
        time.sleep(self.seconds)
        weights = self._state["agent/weights/w"].numpy()
        replay = self._state["replay/rows"].numpy()
        sums = self._state["counters/sums"].numpy()
        ended = []
        for step in range(self.step + 1, self.step + num_steps + 1):
            if step == self.raises_at:
                raise self.error
            weights = (weights * np.float32(1.01) + np.float32(np.sin(step))).astype(np.float32)
            replay[step % len(replay)] = weights[0, :2]
            sums += [float(weights[0, 0]), 1.0]
            if step % 7 == 0:
                ended.append((step, float(weights.sum()), 7))
        self._state["agent/weights/w"].assign(weights)
        self._state["replay/rows"].assign(replay)
        self._state["counters/sums"].assign(sums)
        self._state["counters/step"].assign_add(num_steps)
        has_diverged = self.diverges_at is not None and self.step >= self.diverges_at
        steps, returns, lengths = zip(*ended, strict=True) if ended else ((), (), ())
        return SimpleNamespace(
            step=self.step, updates=self.step,
            diverged_at=self.diverges_at if has_diverged else None,
            episodes=SimpleNamespace(steps=np.array(steps, np.int64),
                                     returns=np.array(returns, np.float64),
                                     lengths=np.array(lengths, np.int64)),
        )

    def take_diagnostics(self):
        pass

    def interval_metrics(self):
        total, count = self._state["counters/sums"].numpy()
        self._state["counters/sums"].assign(np.zeros(2))
        return {"loss": total / count, "epsilon": 0.1}

    def evaluate(self, num_episodes, *, seed=None, policy="evaluation"):
        value = float(self._state["agent/weights/w"].numpy().sum())
        return np.array([value] * num_episodes), np.array([9] * num_episodes)

    def notes_on_resume(self):
        return []

    def close(self):
        pass

    def export_policy(self, folder):
        Path(folder, "policy.txt").write_text(str(self.step))


def main(spec_yaml, runs_dir, seconds="0"):
    from erlctl import spec
    from erlctl.runs.execute import execute

    run = spec.load_run(spec_yaml)
    print("ready", flush=True)
    outcome = execute(
        run, Path(runs_dir), program_for=lambda run: FakeProgram(run, seconds=float(seconds)),
        on_event=lambda event: print(type(event).__name__.lower(), flush=True),
    )
    print(outcome.status, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
