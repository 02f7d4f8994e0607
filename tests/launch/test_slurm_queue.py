"""What Slurm's commands say, with commands that say it: no Slurm is needed."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from erlctl.errors import ErlctlError
from erlctl.launch import slurm_records
from erlctl.launch.slurm_queue import End, LocalQueue, Queued, SlurmQueue


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that installs a command which prints a text, or fails with it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    def install(command, text, code=0):
        path = tmp_path / command
        path.write_text(f"#!/bin/sh\ncat >&{2 if code else 1} <<'END'\n{text}\nEND\nexit {code}\n")
        path.chmod(0o755)

    return install


def test_jobs_are_read_with_node_reason_and_comment(says):
    says("squeue", "7_0|RUNNING|n1|abc|None\n7_1|PENDING||abc|Resources\n"
                   "8|PENDING||(null)|launch failed requeued held")
    jobs = SlurmQueue().jobs()
    assert [job.sentence for job in jobs.values()] == [
        "running on n1", "queued (Resources)", "queued (launch failed requeued held)"]
    assert [job.is_stuck for job in jobs.values()] == [False, False, True]
    assert jobs["7_0"].comment == "abc"


def test_the_end_of_a_job_is_asked_of_the_controller_then_of_accounting(says):
    says("scontrol", "JobId=7 JobState=NODE_FAIL Reason=NodeDown NodeList=n1 BatchHost=n1")
    says("sacct", "OUT_OF_MEMORY|n2")
    assert SlurmQueue().end_of("7") == End(state="NODE_FAIL", node="n1")
    says("scontrol", "slurm_load_jobs error: Invalid job id specified", code=1)
    assert SlurmQueue().end_of("7") == End(state="OUT_OF_MEMORY", node="n2")
    says("sacct", "CANCELLED by 1000|None assigned")
    assert SlurmQueue().end_of("7") == End(state="CANCELLED")


def test_without_accounting_an_old_job_has_an_unknown_end(says):
    says("scontrol", "slurm_load_jobs error: Invalid job id specified", code=1)
    says("sacct", "Slurm accounting storage is disabled", code=1)
    assert SlurmQueue().end_of("7").sentence == "it left the queue, nobody knows how"


def test_a_controller_that_does_not_answer_is_an_error_with_a_mend(says):
    says("squeue", "squeue: error: Unable to contact slurm controller", code=1)
    with pytest.raises(ErlctlError, match=r"slurm controller\n  fix: see whether"):
        SlurmQueue().jobs()


@pytest.mark.parametrize("comment", ["caf\\351", "two\\nlines", "a|b"])
def test_what_other_jobs_have_for_a_comment_hides_no_job_of_ours(comment, tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    lines = f"6|RUNNING|n1|{comment}|None\\n7|RUNNING|n1|abc|None\\n"
    squeue.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert SlurmQueue().jobs()["7"] == Queued(state="RUNNING", node="n1", comment="abc")


def test_a_command_that_is_not_there_is_an_error_and_leaves_an_end_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert SlurmQueue().end_of("7") == End()
    with pytest.raises(ErlctlError, match="squeue: cannot be run: No such file"):
        SlurmQueue().jobs()


@pytest.fixture
def process():
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


def test_a_process_counts_as_a_job_only_if_it_is_the_one_that_was_started(process):
    queue = LocalQueue()
    number = queue.number_of(str(process.pid))
    stranger = f"{process.pid}:1"  # what had this id before
    assert set(queue.jobs([number, stranger])) == {number}
    queue.cancel([stranger])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    queue.cancel([number])
    assert process.wait() == -signal.SIGTERM
    assert not queue.jobs([number, queue.number_of(str(process.pid))])


@pytest.mark.parametrize("text", [
    "", '{"schema": 3', "[]", "{}", "\0", '{"schema": 3, "groups": 5, "before": {}, "jobs": []}',
    None, "folder",
])
def test_a_record_that_cannot_be_read_is_named_and_passed_over(text, tmp_path):
    mine = slurm_records.new(tmp_path, [["a"]], before={"a": "x/1"})
    damaged = tmp_path / "a.json"
    if text is None:
        damaged.symlink_to("nowhere")  # as what vanishes between two looks
    elif text == "folder":
        damaged.mkdir()
    else:
        damaged.write_text(text)
    said = []
    assert [each.token for each in slurm_records.known(tmp_path, said.append)] == [mine.token]
    assert [sentence.startswith(str(damaged)) for sentence in said] == [True]


@pytest.mark.parametrize(("groups", "queue", "found"), [
    ([["a"], ["b", "c"]], {"7_1": "token"}, {"a": "7_0", "b": "7_1", "c": "7_1"}),
    ([["a"]], {"7": "token"}, {"a": "7"}),
    ([["a"]], {"7": "another"}, {}),
])
def test_an_array_whose_command_was_killed_is_found_by_its_comment(
    groups, queue, found, tmp_path
):
    """The numbers are written down after `sbatch`; whoever is killed before leaves its token."""
    slurm_records.new(tmp_path, groups, before={})
    (kept,) = slurm_records.known(tmp_path, pytest.fail)
    jobs = {number: Queued(state="RUNNING", comment=comment.replace("token", kept.token))
            for number, comment in queue.items()}
    assert kept.job_of == {}
    assert kept.found_in(jobs).job_of == found


def test_what_another_version_has_kept_is_left_alone(tmp_path):
    """Its jobs leave no signs; the lock of a run keeps two jobs from training it."""
    (tmp_path / "41.json").write_text('{"schema": 1, "jobs": {"a/b/seed-0": "41_0"}}')
    (tmp_path / "42.json").write_text('{"schema": 2, "groups": [["a/b/seed-0"]], "jobs": ["42"]}')
    mine = slurm_records.new(tmp_path, [["a/b/seed-1"]], before={"a/b/seed-1": "x/0"})
    assert [each.token for each in slurm_records.known(tmp_path, pytest.fail)] == [mine.token]
