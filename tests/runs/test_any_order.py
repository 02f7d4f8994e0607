"""Training, kills, full disks, damage, comparing and beginning anew, in any order.

After every action the invariants hold: what is wrong is named by fsck with a way out (I1), no good
checkpoint is lost that nobody harmed (I2), steps in tables never go back (I3), a run ends at its
last step (I4) with the bytes of the undisturbed one (I5), "running" means that the lock is held
(I6), nothing is written outside the run directory (I7), no secret is in any file (I8).
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from erlctl import registry
from erlctl.analysis.load import load
from erlctl.errors import DamagedError, ErlctlError
from erlctl.runs import catalogue, fsck
from erlctl.runs.execute import execute
from erlctl.runs.layout import STATUSES, RunPaths, read_run_json
from erlctl.runs.lock import is_held
from erlctl.runs.manifest import Damage
from erlctl.runs.tables import read_table
from erlctl.spec.schema import (
    CheckpointSection,
    EnvironmentSection,
    EvaluationSection,
    LoggingSection,
    RunSpec,
    TrainingSection,
)
from tests.runs.fake_program import FakeProgram
from tests.runs.faults import Killed, dying_at
from tests.runs.observe import rows

RUN = RunSpec(
    name="study", variant="dqn", seed=3, environment=EnvironmentSection(id="CartPole-v1"),
    agent=registry.get("algorithm", "dqn")(),
    training=TrainingSection(steps=40, learning_starts=5, batch_size=2, replay_capacity=50),
    evaluation=EvaluationSection(every=20, episodes=2), checkpoint=CheckpointSection(every=10),
    logging=LoggingSection(every=10, tensorboard=False),
)
TABLES = ("progress", "evaluations", "monitor")
FILES = ("state.data-00000-of-00001", "state.index", "manifest.json")
OPERATIONS = st.integers(1, 250)  # the undisturbed run has about 200
SECRET = "s3cr3t-value"
# In memory where possible: thousands of fsyncs are no part of the question.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@functools.cache
def program():
    return FakeProgram(RUN)


def fresh_program(run):
    program().start(run)
    return program()


def outcome_of(paths):
    state = paths.checkpoint(40) / FILES[0]
    return {**{name: rows(getattr(paths, name)) for name in TABLES}, "state": state.read_bytes()}


@functools.cache
def undisturbed():
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        assert execute(RUN, Path(folder), program_for=fresh_program).status == "complete"
        return outcome_of(RunPaths.of(Path(folder), RUN))


class RunDirectory(RuleBasedStateMachine):
    """One run directory and what may happen to it."""

    def __init__(self):
        super().__init__()
        os.environ["ERLCTL_TEST_TOKEN"] = SECRET
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.runs_dir = self.folder / "runs"
        self.paths = RunPaths.of(self.runs_dir, RUN)
        self.newest = None

    def teardown(self):
        shutil.rmtree(self.folder)

    def execute(self, **kwargs):
        try:
            return execute(RUN, self.runs_dir, program_for=fresh_program, **kwargs)
        except DamagedError:
            assert self.good_steps() == []
            return None
        except (Killed, OSError):
            return None
        except ErlctlError as error:  # the folder could not be made: nothing has begun
            if not isinstance(error.__cause__, OSError):
                raise
            return None

    def good_steps(self):
        good = []
        for folder in catalogue.list_checkpoints(self.paths):
            try:
                good.append(catalogue.read_verified(folder).step)
            except Damage:
                continue
        return good

    @rule(polls=st.integers(0, 5))
    def train_a_bit(self, polls):
        left = iter(range(polls))
        self.execute(should_stop=lambda: 15 if next(left, None) is None else None)

    @rule(nth=OPERATIONS)
    def kill(self, nth):
        with dying_at(nth):
            self.execute()

    @rule(nth=OPERATIONS, code=st.sampled_from([28, 5]))
    def fail_an_operation(self, nth, code):
        with dying_at(nth, error=OSError(code, "injected")):
            self.execute()

    @precondition(lambda self: self.good_steps())
    @rule(name=st.sampled_from(FILES), part=st.floats(0, 1, exclude_max=True))
    def truncate(self, name, part):
        path = self.paths.checkpoint(self.good_steps()[0]) / name
        os.truncate(path, int(path.stat().st_size * part))
        self.newest = None

    @precondition(lambda self: self.good_steps())
    @rule(name=st.sampled_from(FILES[:2]), part=st.floats(0, 1, exclude_max=True),
          bit=st.integers(0, 7))
    def flip_a_bit(self, name, part, bit):
        path = self.paths.checkpoint(self.good_steps()[0]) / name
        data = bytearray(path.read_bytes())
        data[int(len(data) * part)] ^= 1 << bit
        path.write_bytes(data)
        self.newest = None

    @precondition(lambda self: self.paths.progress.exists())
    @rule(name=st.sampled_from(TABLES), text=st.binary(max_size=9))
    def tear_a_line(self, name, text):
        with getattr(self.paths, name).open("ab") as file:
            file.write(text.replace(b"\n", b""))

    @rule()
    def compare(self):
        before = self.content()
        found = load([self.runs_dir])
        assert len(found.runs) + len(found.skipped) >= self.paths.run_json.exists()
        assert self.content() == before

    @rule()
    def begin_anew(self):
        self.newest = None
        self.execute(fresh=True, should_stop=lambda: 15)

    @rule()
    def finish(self):
        result = self.execute()
        if result is None:
            return  # every checkpoint is damaged: only --fresh goes on
        assert result.status in ("complete", "skipped"), result
        assert result.step == RUN.training.steps
        if result.status == "complete":
            assert outcome_of(self.paths) == undisturbed()

    def content(self):
        files = (p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink())
        return {path: path.read_bytes() for path in files}

    @invariant()
    def what_is_wrong_has_a_way_out(self):
        for finding in fsck.check(self.paths) if self.paths.root.exists() else ():
            assert finding.fix, finding

    @invariant()
    def good_checkpoints_stay(self):
        good = self.good_steps()
        if self.newest is not None:
            assert good, "the good checkpoint is gone"
            assert good[0] >= self.newest
        self.newest = good[0] if good else None

    @invariant()
    def steps_never_go_back(self):
        for name in ("progress", "evaluations"):
            steps = list(read_table(getattr(self.paths, name)).columns.get("step", ()))
            known = [step for step in steps if step == step]
            assert known == sorted(known)

    @invariant()
    def the_status_is_true(self):
        status = read_run_json(self.paths)["status"]
        assert status in STATUSES
        assert status != "running"
        assert not is_held(self.paths.lock)

    @invariant()
    def nothing_is_outside_and_nothing_secret_inside(self):
        outside = [path for path in self.folder.iterdir() if path != self.runs_dir]
        assert outside == []
        assert all(SECRET.encode() not in data for data in self.content().values())


def check(examples, steps):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(RunDirectory, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
        derandomize=True, suppress_health_check=list(HealthCheck),
    ))


def test_f1_f2_f3_f5_in_any_order_a_few():
    check(examples=4, steps=8)


@pytest.mark.slow
def test_f1_f2_f3_f5_in_any_order_many():
    check(examples=60, steps=25)
