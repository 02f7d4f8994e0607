"""What a train line would do, decided before anything is started."""

from __future__ import annotations

import json
import os

import pytest

from erlctl import spec
from erlctl.errors import SpecChangedError
from erlctl.launch.plan import plan_runs
from erlctl.runs import lock


@pytest.fixture
def run(make_spec):
    """Return a run's spec."""
    return spec.load(make_spec()).runs[0]


def make_folder(run, runs_dir, text=None, **facts):
    root = plan_runs([run], runs_dir=runs_dir)[0].paths.root
    root.mkdir(parents=True)
    (root / "spec.yaml").write_text(spec.dump(run) if text is None else text)
    (root / "run.json").write_text(json.dumps({"status": "interrupted", "step": 7, **facts}))
    return root


@pytest.mark.parametrize(
    ("status", "fresh", "action"),
    [("complete", False, "skip"), ("complete", True, "restart"), ("interrupted", False, "resume"),
     ("running", False, "resume"), ("failed", False, "resume"), ("diverged", False, "resume")],
)
def test_the_status_of_the_folder_decides(run, runs_dir, status, fresh, action):
    make_folder(run, runs_dir, status=status)
    (planned,) = plan_runs([run], runs_dir=runs_dir, fresh=fresh)
    assert (planned.action, planned.step) == (action, 7)


def test_a_run_that_another_process_holds_is_busy_and_says_by_whom(run, runs_dir):
    root = make_folder(run, runs_dir, status="running")
    with lock.hold(root / ".lock"):
        (planned,) = plan_runs([run], runs_dir=runs_dir)
    result = planned.final_result()
    assert (planned.action, result.status) == ("busy", "busy")
    assert f"pid {os.getpid()} on " in result.outcome.message


def test_without_a_folder_a_run_starts(run, runs_dir):
    (planned,) = plan_runs([run], runs_dir=runs_dir)
    assert (planned.action, planned.status, planned.step) == ("start", "pending", 0)


def test_planning_writes_nothing(run, runs_dir):
    plan_runs([run], runs_dir=runs_dir)
    assert not runs_dir.exists()


def test_another_spec_in_the_folder_is_refused_unless_fresh(run, runs_dir):
    make_folder(run, runs_dir, spec.dump(run).replace("gamma: 0.99", "gamma: 0.9"))
    with pytest.raises(SpecChangedError, match=r"gamma: 0\.9"):
        plan_runs([run], runs_dir=runs_dir)
    assert plan_runs([run], runs_dir=runs_dir, fresh=True)[0].action == "restart"


def test_the_same_spec_spelt_otherwise_is_the_same(run, runs_dir):
    text = "# a comment\n" + spec.dump(run).replace("gamma: 0.99", "gamma: 0.990")
    make_folder(run, runs_dir, text)
    assert plan_runs([run], runs_dir=runs_dir)[0].action == "resume"


def test_a_dead_run_is_marked_as_failed(run, runs_dir):
    root = make_folder(run, runs_dir, status="running", attempts=[])
    plan_runs([run], runs_dir=runs_dir)[0].mark_failed("killed by SIGKILL")
    facts = json.loads((root / "run.json").read_text())
    assert (facts["status"], facts["reason"]) == ("failed", "killed by SIGKILL")


@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_marking_a_damaged_folder_raises_nothing(run, runs_dir, content):
    root = make_folder(run, runs_dir)
    (root / "run.json").write_text(content)
    plan_runs([run], runs_dir=runs_dir)[0].mark_failed("killed")
