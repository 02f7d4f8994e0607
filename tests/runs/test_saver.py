"""Checkpoints are written while the run goes on; what is in them is what it was when asked."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from erlctl.runs import catalogue, checkpoints, saver
from erlctl.runs.append import AppendOnlyFile
from erlctl.runs.saver import Order, Saver

SPEC = "a" * 64


class Told:
    """Remembers what a saver tells."""

    def __init__(self):
        self.steps, self.full, self.threads = [], [], set()

    def saved(self, step):
        self.steps.append(step)
        self.threads.add(threading.current_thread())

    def disk_is_full(self, order, error):
        self.full.append(order.step)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def rows(paths):
    file = AppendOnlyFile(paths.progress)
    yield file
    file.close()


@pytest.fixture
def save(paths, told, rows):
    """Return a saver; its thread is ended after the test."""
    made = Saver(paths, {"progress": rows}, fingerprint=SPEC, keep=2, start=None, listener=told)
    yield made
    made.close()


def order(step, values, **kwargs):
    return Order(step=step, state={"agent/weights/w": values}, has_replay=True, wall_seconds=1.0,
                 **kwargs)


@pytest.fixture
def gate(monkeypatch):
    """Hold every write until the event is set."""
    opened = threading.Event()
    real = checkpoints.save

    def wait(*args, **kwargs):
        assert opened.wait(30)
        return real(*args, **kwargs)

    monkeypatch.setattr(checkpoints, "save", wait)
    yield opened
    opened.set()


def content(paths, step):
    values = np.zeros(3)
    manifest = catalogue.read_verified(paths.checkpoint(step))
    checkpoints.restore(paths.checkpoint(step), manifest, {"agent/weights/w": values})
    return values.tolist()


def test_the_run_goes_on_while_its_state_of_before_is_written(paths, save, told, gate):
    values = np.ones(3)
    save.save(order(10, values))
    values += 1  # the run goes on
    save.look()
    assert (told.steps, catalogue.list_checkpoints(paths)) == ([], [])
    gate.set()
    save.finish()
    assert told.steps == [10]
    assert content(paths, 10) == [1, 1, 1]


def test_a_state_too_large_to_copy_is_written_at_once(paths, save, told, monkeypatch):
    monkeypatch.setattr(saver, "MAX_COPY_BYTES", 8)
    values = np.ones(3)
    save.save(order(10, values))
    values += 1
    assert told.steps == [10]
    assert content(paths, 10) == [1, 1, 1]


def test_what_happened_is_told_in_the_thread_that_asks(save, told):
    save.save(order(10, np.ones(3)))
    save.finish()
    assert told.threads == {threading.current_thread()}


def test_rows_of_later_are_beyond_the_offset(paths, save, rows, gate):
    rows.add(b"before\n")
    save.save(order(10, np.ones(3)))
    rows.add(b"after\n")
    rows.flush()
    gate.set()
    save.finish()
    manifest = json.loads((paths.checkpoint(10) / "manifest.json").read_text())
    assert manifest["offsets"] == {"progress": len("before\n")}


def test_a_checkpoint_knows_the_best_weights_of_its_own_step(paths, save, gate):
    save.save(order(10, np.ones(3), best_return=5.0))
    save.save(order(10, np.ones(3)))
    gate.set()
    assert not save.is_best(5.0)
    assert save.is_best(5.1)
    extra = json.loads((paths.checkpoint(10) / "manifest.json").read_text())["extra"]
    assert (extra["best_return"], extra["best_step"]) == (5.0, 10)


def test_the_same_step_is_written_once(save, told):
    save.save(order(10, np.ones(3)))
    assert save.is_saved(10)
    assert not save.is_saved(20)
    assert told.steps == [10]


def test_f3_a_full_disk_is_told_and_the_next_one_is_tried(save, told, monkeypatch):
    real = checkpoints.save
    errors = iter([OSError(28, "No space left on device"), None])

    def full(*args, **kwargs):
        error = next(errors)
        if error:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(checkpoints, "save", full)
    for step in (10, 20):
        save.save(order(step, np.ones(3)))
        save.finish()
    assert (told.full, told.steps, save.saved_step) == ([10], [20], 20)


def test_f2_a_failing_disk_is_raised_where_the_run_sees_it(paths, told, rows, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoints, "save", fail)
    failing = Saver(paths, {"progress": rows}, fingerprint=SPEC, keep=2, start=None, listener=told)
    failing.save(order(10, np.ones(3)))
    with pytest.raises(OSError, match="Input/output"):
        failing.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("checkpoints")]
