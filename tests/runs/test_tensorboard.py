from __future__ import annotations

import os

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from erlctl.runs.tensorboard import EventFile


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]}


def row(step):
    return {
        "step": step, "return_mean": 2.0 * step, "length_mean": 9.0, "loss": 0.5, "q_mean": 3.0,
        "steps_per_second": 1000.0, "epsilon": 0.1, "action_gap": 0.25, "entropy": None,
    }


def test_rows_are_read_under_the_names_of_both_peers(tmp_path):
    events = EventFile(tmp_path)
    events.row(row(10))
    events.evaluation(10, {"return_mean": 7.0, "return_std": 1.0, "length_mean": 8.0})
    events.close()
    found = read(tmp_path)
    expected = {
        "charts/episodic_return": 20.0, "rollout/ep_rew_mean": 20.0, "charts/episodic_length": 9.0,
        "rollout/ep_len_mean": 9.0, "charts/SPS": 1000.0, "time/fps": 1000.0,
        "losses/td_loss": 0.5, "train/loss": 0.5, "losses/q_values": 3.0,
        "eval/mean_reward": 7.0, "eval/mean_ep_length": 8.0, "reg/action_gap": 0.25,
    }
    assert {tag: found[tag] for tag in expected} == {t: [(10, v)] for t, v in expected.items()}
    assert "reg/entropy" not in found  # there was none


def test_a_curve_never_goes_back_after_a_resume(tmp_path):
    events = EventFile(tmp_path)
    events.row(row(10))
    offset = events.offset
    events.row(row(20))
    events.row(row(30))
    events.close()
    events = EventFile(tmp_path, offset)
    events.row(row(20))
    events.close()
    assert [step for step, _ in read(tmp_path)["train/loss"]] == [10, 20]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("lost", [1, 20])
def test_a_torn_record_costs_only_itself(tmp_path, lost):
    events = EventFile(tmp_path)
    events.row(row(10))
    events.row(row(20))
    events.close()
    os.truncate(events.path, events.offset - lost)
    assert [step for step, _ in read(tmp_path)["train/loss"]] == [10]


def test_beginning_anew_leaves_nothing_of_the_old_curve(tmp_path):
    events = EventFile(tmp_path)
    events.row(row(99))
    events.close()
    events = EventFile(tmp_path, 0)
    events.row(row(1))
    events.close()
    assert [step for step, _ in read(tmp_path)["train/loss"]] == [1]
