"""Run folders of other programs, as they write them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from erlctl.analysis import data
from erlctl.analysis.load import load
from erlctl.analysis.sources import naming


def write_zoo(folder, *, seed=1, episodes=4, number=1):
    run = folder / "dqn" / f"CartPole-v1_{number}"
    (run / "CartPole-v1").mkdir(parents=True)
    np.savez(run / "evaluations.npz", timesteps=np.array([1000, 2000]),
             results=np.full((2, episodes), 7.0) * [[1], [2]],
             ep_lengths=np.ones((2, episodes), int))
    (run / "CartPole-v1" / "args.yml").write_text(
        "!!python/object/apply:collections.OrderedDict\n- - - algo\n    - dqn\n"
        f"- - seed\n  - {seed}\n"
    )
    (run / "0.monitor.csv").write_text(
        '#{"t_start": 1.5, "env_id": "CartPole-v1"}\nr,l,t\n9.0,9,0.1\n11.0,11,0.2\n'
    )
    return run


def event_file(path, scalars):
    from tensorboard.compat.proto.event_pb2 import Event

    with path.open("wb") as file:
        for index, (tag, step, value) in enumerate(scalars):
            event = Event(wall_time=100.0 + index, step=step)
            event.summary.value.add(tag=tag, simple_value=value)
            record = event.SerializeToString()
            file.write(struct.pack("<Q", len(record)) + b"\0" * 4 + record + b"\0" * 4)


def test_a_zoo_folder_says_algorithm_environment_seed_and_protocol(tmp_path):
    write_zoo(tmp_path, seed=42)
    (run,) = load([tmp_path]).runs
    assert (run.variant, run.environment, run.seed) == ("dqn", "CartPole-v1", 42)
    assert run.protocol == "4 greedy episodes"
    np.testing.assert_allclose(run.curve(data.RETURN), [[1000, 2000], [7, 14]])


def test_a_zoo_monitor_is_the_training_return_over_steps(tmp_path):
    write_zoo(tmp_path)
    (run,) = load([tmp_path]).runs
    np.testing.assert_allclose(run.curve(data.METRICS["return_mean"]), [[9, 20], [9, 11]])


def test_a_plain_stable_baselines3_monitor_folder_is_read(tmp_path):
    folder = tmp_path / "dqn_seed3"
    folder.mkdir()
    (folder / "monitor.csv").write_text(
        '#{"t_start": 1.5, "env_id": "Acrobot-v1"}\nr,l,t\n-500.0,500,1.0\n-400.0,400,2.0\n')
    (run,) = load([tmp_path]).runs
    assert (run.variant, run.seed, run.environment) == ("dqn", 3, "Acrobot-v1")


def test_a_pickle_inside_evaluations_is_refused_not_loaded(tmp_path):
    folder = tmp_path / "dqn" / "CartPole-v1_1"
    folder.mkdir(parents=True)
    np.savez(folder / "evaluations.npz", timesteps=np.array([1000]),
             results=np.array([[{"a": 1}]], dtype=object))
    (run,) = load([tmp_path]).runs
    assert run.curve(data.RETURN)[0].size == 0
    assert "allow_pickle" in run.table_problems("evaluation")[0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\0" * 100])
def test_a_damaged_evaluations_file_is_said_and_not_fatal(tmp_path, content):
    (write_zoo(tmp_path) / "evaluations.npz").write_bytes(content)
    (run,) = load([tmp_path]).runs
    assert run.table_problems("evaluation")


def test_cleanrls_event_files_are_read(tmp_path):
    folder = tmp_path / "CartPole-v1__c51__5__1700000000"
    folder.mkdir()
    event_file(folder / "events.out.tfevents.1.host", [
        ("charts/episodic_return", 100, 20.0), ("charts/episodic_return", 49_987, 400.0),
        ("losses/td_loss", 100, 0.5), ("my/own", 100, 3.0),
        ("eval/episodic_return", 0, 480.0), ("eval/episodic_return", 1, 500.0),
    ])
    (run,) = load([tmp_path]).runs
    assert (run.environment, run.variant, run.seed) == ("CartPole-v1", "c51", 5)
    assert run.total_steps == 50_000
    np.testing.assert_allclose(run.curve(data.METRICS["return_mean"]), [[100, 49_987], [20, 400]])
    np.testing.assert_allclose(run.curve(data.RETURN), [[49_987], [490]])
    assert data.find_metric("my/own", [run]).column == "my/own"


def test_a_torn_event_file_is_read_up_to_the_tear(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    event_file(path, [("rollout/ep_rew_mean", 1000, 5.0), ("rollout/ep_rew_mean", 2000, 6.0)])
    path.write_bytes(path.read_bytes()[:-7])
    (run,) = load([tmp_path]).runs
    np.testing.assert_allclose(run.curve(data.METRICS["return_mean"]), [[1000], [5]])


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10" + b"\0" * 11 + b"\xff" * 30])
def test_a_foreign_file_with_the_name_of_an_event_file_is_not_fatal(tmp_path, content):
    (tmp_path / "events.out.tfevents.1.host").write_bytes(content)
    loaded = load([tmp_path])
    assert loaded.runs == []
    assert loaded.skipped


def test_later_values_of_a_step_replace_earlier_ones(tmp_path):
    event_file(tmp_path / "events.out.tfevents.1.host", [
        ("train/loss", 1000, 5.0), ("train/loss", 2000, 6.0), ("train/loss", 1000, 1.0)])
    (run,) = load([tmp_path]).runs
    np.testing.assert_allclose(run.curve(data.METRICS["loss"]), [[1000, 2000], [1, 6]])


@pytest.mark.parametrize(
    ("last", "planned"), [(49_987, 50_000), (50_176, 50_000), (53_000, 53_000), (9, 9), (0, None)])
def test_the_planned_steps_are_guessed_to_two_digits(last, planned):
    assert naming.budget(last) == planned


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dqn_seed3", ("dqn", 3)), ("ddpg_s10", ("ddpg", 10)), ("exp_seed=4", ("exp", 4)),
     ("td3", ("td3", None))])
def test_seeds_are_read_from_names(name, expected):
    assert naming.split_seed(name) == expected


def test_scalars_written_as_tensors_are_read(tmp_path):
    """TensorFlow 2's writer stores a scalar as a tensor; bytes and lists are both in use."""
    from tensorboard.compat.proto.event_pb2 import Event

    path = tmp_path / "events.out.tfevents.1.host"
    with path.open("wb") as file:
        for step, fields in ((1, {"float_val": [2.5]}),
                             (2, {"tensor_content": np.float32(3.5).tobytes()})):
            event = Event(wall_time=float(step), step=step)
            tensor = event.summary.value.add(tag="train/loss").tensor
            tensor.dtype = 1
            for name, content in fields.items():
                if name == "tensor_content":
                    tensor.tensor_content = content
                else:
                    getattr(tensor, name).extend(content)
            record = event.SerializeToString()
            file.write(struct.pack("<Q", len(record)) + b"\0" * 4 + record + b"\0" * 4)
    (run,) = load([tmp_path]).runs
    np.testing.assert_allclose(run.curve(data.METRICS["loss"]), [[1, 2], [2.5, 3.5]])


def test_stable_baselines3s_logger_is_preferred_to_single_episodes(tmp_path):
    folder = write_zoo(tmp_path)
    (folder / "progress.csv").write_text(
        "rollout/ep_rew_mean,time/total_timesteps,train/loss\n10,1000,0.5\n20,2000,\n")
    (run,) = load([tmp_path]).runs
    np.testing.assert_allclose(run.curve(data.METRICS["return_mean"]), [[1000, 2000], [10, 20]])
    np.testing.assert_allclose(run.curve(data.METRICS["loss"]), [[1000], [0.5]])
