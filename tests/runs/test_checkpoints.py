from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from erlctl.environments import registry
from erlctl.errors import DamagedError, ErlctlError
from erlctl.runs import catalogue, checkpoints, saver
from erlctl.runs.manifest import Damage
from tests.runs.faults import Killed, count_operations, dying_at
from tests.runs.observe import names_in

SPEC = "a" * 64
DATA = "state.data-00000-of-00001"


def state(value=1.0):
    return {
        "agent/weights/w": tf.Variable(np.full((3, 4), value, np.float32)),
        "counters/step": tf.Variable(int(value), dtype=tf.int64),
        "environment/done": tf.Variable([True, False]),
        "replay/rows": np.full((5,), value, np.float64),
    }


def save(paths, step, **kwargs):
    return checkpoints.save(
        state(step), paths, step=step, fingerprint=SPEC, **{"offsets": {"progress": step}, **kwargs}
    )


def newest(paths):
    told = []
    return catalogue.newest_good(paths, SPEC, told.append), told


def values(state):
    return {name: np.asarray(value).tolist() for name, value in state.items()}


def test_every_variable_comes_back_by_name_with_its_bits(paths):
    save(paths, 7, extra={"best_return": 1 / 3, "best_step": None, "bad": float("nan")})
    (folder, manifest), told = newest(paths)
    target = state(0)
    checkpoints.restore(folder, manifest, target)
    assert values(target) == values(state(7))
    assert isinstance(target["replay/rows"], np.ndarray)
    assert manifest.offsets == {"progress": 7}
    assert manifest.extra == {"best_return": 1 / 3, "best_step": None, "bad": None}
    assert told == []


@pytest.mark.parametrize("environment_id", registry.COMPILED)
def test_the_state_of_every_compiled_environment_comes_back(paths, environment_id):
    def variables(seed):
        generator = tf.random.Generator.from_seed(seed, alg="philox")
        environment = registry.make(environment_id, 2, generator)
        environment.reset()
        return environment.state_variables

    before = saver.copy(variables(1))
    manifest = checkpoints.save(before, paths, step=1, fingerprint=SPEC)
    target = variables(2)
    checkpoints.restore(paths.checkpoint(1), manifest, target)
    assert values(target) == values(before)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_arrays_of_every_type_that_a_run_holds_can_be_saved(paths, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    manifest = checkpoints.save({"x": array}, paths, step=1, fingerprint=SPEC)
    target = {"x": tf.Variable(tf.zeros((2, 3), dtype))}
    checkpoints.restore(paths.checkpoint(1), manifest, target)
    np.testing.assert_array_equal(target["x"].numpy(), array)


def test_there_never_was_a_checkpoint(paths):
    assert newest(paths) == (None, [])


def damage_by_cutting_a_byte(folder):
    os.truncate(folder / DATA, (folder / DATA).stat().st_size - 1)


def damage_by_emptying(folder):
    os.truncate(folder / DATA, 0)


def damage_by_flipping_a_bit(folder):
    data = bytearray((folder / DATA).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / DATA).write_bytes(data)


def damage_by_losing_the_index(folder):
    (folder / "state.index").unlink()


def damage_by_losing_the_manifest(folder):
    (folder / "manifest.json").unlink()


def damage_by_tearing_the_manifest(folder):
    os.truncate(folder / "manifest.json", 100)


def damage_by_another_spec(folder):
    edit(folder, fingerprint="b" * 64)


def damage_by_renaming(folder):
    edit(folder, step=12345)


def damage_by_a_link(folder):
    shutil.move(folder / DATA, folder.parent.parent / "elsewhere")
    (folder / DATA).symlink_to(folder.parent.parent / "elsewhere")


def edit(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


DAMAGES = [
    damage_by_cutting_a_byte, damage_by_emptying, damage_by_flipping_a_bit,
    damage_by_losing_the_index, damage_by_losing_the_manifest, damage_by_tearing_the_manifest,
    damage_by_another_spec, damage_by_renaming, damage_by_a_link,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_f5_a_damaged_newest_is_set_aside_and_the_one_before_is_used(paths, damage):
    save(paths, 10)
    save(paths, 20)
    damage(paths.checkpoint(20))
    (folder, manifest), told = newest(paths)
    assert (folder.name, manifest.step) == ("000000010", 10)
    assert (paths.checkpoints / "000000020.damaged-1").is_dir()
    assert "000000020 is damaged" in told[0]
    assert newest(paths)[1] == []  # said once


@pytest.mark.parametrize("damage", DAMAGES)
def test_f6_all_damaged_is_an_error_and_nothing_is_touched(paths, damage):
    save(paths, 10)
    save(paths, 20)
    damage(paths.checkpoint(10))
    damage(paths.checkpoint(20))
    before = names_in(paths.checkpoints)
    for _ in range(2):  # also when asked again: never silently from the start
        with pytest.raises(DamagedError, match="--fresh") as caught:
            newest(paths)
        assert caught.value.exit_code == 5
    assert names_in(paths.checkpoints) == before


def test_f6_what_was_set_aside_before_still_counts(paths):
    save(paths, 10)
    paths.checkpoint(10).rename(paths.checkpoints / "000000010.damaged-1")
    with pytest.raises(DamagedError, match="was damaged before"):
        newest(paths)


def test_damage_at_the_same_step_twice_gets_two_names(paths):
    for _ in range(2):
        save(paths, 10)
        save(paths, 20)
        damage_by_emptying(paths.checkpoint(20))
        newest(paths)
    assert (paths.checkpoints / "000000020.damaged-2").is_dir()


@pytest.mark.parametrize("content", ["", "garbage", "000999999\n", None])
def test_f7_the_pointer_files_are_not_trusted(paths, content):
    save(paths, 10)
    if content is None:
        paths.latest.unlink()
    else:
        paths.latest.write_text(content)
    assert newest(paths)[0][1].step == 10


def test_f28_a_newer_format_is_named_and_is_no_damage(paths):
    save(paths, 10)
    edit(paths.checkpoint(10), format_version=99)
    with pytest.raises(ErlctlError, match="format 99"):
        newest(paths)
    assert paths.checkpoint(10).is_dir()


@pytest.mark.parametrize("changes", [
    {"files": {"../../victim": {"bytes": 1, "sha256": "x"}}},
    {"files": {"state.index": None, DATA: None}},
    {"files": []}, {"tensors": {"w": 3}}, {"step": "10"}, {"step": True}, {"resumable": 1},
    {"extra": None}, {"format_version": None}, {"format_version": 0},
])
def test_false_manifests_are_damage_and_nothing_worse(paths, changes):
    save(paths, 10)
    edit(paths.checkpoint(10), **changes)
    with pytest.raises(Damage):
        catalogue.read_verified(paths.checkpoint(10))


def test_f29_another_network_is_told_with_counts_and_names(paths):
    save(paths, 10)
    (folder, manifest), _ = newest(paths)
    target = state(0)
    target["agent/weights/w"] = tf.Variable(np.zeros((3, 5), np.float32))
    target["agent/weights/new"] = tf.Variable(0.0)
    del target["environment/done"]
    with pytest.raises(DamagedError) as caught:
        checkpoints.restore(folder, manifest, target)
    message = str(caught.value)
    assert "2 of 4 variables match" in message
    assert "1 missing: agent/weights/new" in message
    assert "1 unexpected: environment/done" in message
    assert "agent/weights/w ([3, 4], 'float32') instead of ([3, 5], 'float32')" in message
    assert target["counters/step"].numpy() == 0  # nothing was touched


def test_the_replay_may_be_missing_where_it_was_not_saved(paths):
    full = state(5)
    without = {name: value for name, value in full.items() if name != "replay/rows"}
    checkpoints.save(without, paths, step=5, fingerprint=SPEC, has_replay=False)
    (folder, manifest), _ = newest(paths)
    target = state(0)
    checkpoints.restore(folder, manifest, target, optional={"replay/rows"})
    assert target["counters/step"].numpy() == 5
    assert target["replay/rows"].tolist() == [0] * 5


def test_weights_come_from_full_and_from_best_checkpoints(paths):
    weights = {"agent/weights/w": state(15)["agent/weights/w"]}
    checkpoints.save(weights, paths, step=15, fingerprint=SPEC, resumable=False, has_replay=False)
    save(paths, 20)
    for which, value in (("best", 15.0), ("latest", 20.0), (15, 15.0), (20, 20.0)):
        target = {"agent/weights/w": tf.Variable(np.zeros((3, 4), np.float32))}
        checkpoints.load_weights(paths, which, target)
        assert target["agent/weights/w"].numpy()[0, 0] == value
    with pytest.raises(ErlctlError, match="there are: 15, 20"):
        checkpoints.load_weights(paths, 17, target)


def test_damaged_weights_are_refused(paths):
    save(paths, 20)
    damage_by_flipping_a_bit(paths.checkpoint(20))
    with pytest.raises(DamagedError, match="sha256"):
        checkpoints.load_weights(paths, "latest", {"agent/weights/w": np.zeros((3, 4))})


def test_weights_alone_are_never_resumed_from(paths):
    save(paths, 10)
    checkpoints.save({"w": tf.Variable(1.0)}, paths, step=15, fingerprint=SPEC, resumable=False)
    assert newest(paths)[0][1].step == 10


def best(paths, step):
    checkpoints.save({"w": tf.Variable(1.0)}, paths, step=step, fingerprint=SPEC, resumable=False)


def steps(paths, *, resumable=True):
    return [catalogue.step_of(f) for f in catalogue.list_checkpoints(paths, resumable=resumable)]


def test_the_newest_are_kept_and_the_best_besides(paths):
    best(paths, 5)
    for step in (10, 20, 30, 40):
        save(paths, step, extra={"best_step": 5})
        catalogue.prune(paths, keep=3, best_step=5)
    assert steps(paths) == [40, 30, 20]
    assert steps(paths, resumable=False) == [5]


def test_at_least_two_are_kept(paths):
    for step in (10, 20, 30):
        save(paths, step)
        catalogue.prune(paths, keep=1, best_step=None)
    assert steps(paths) == [30, 20]


def test_the_best_of_an_older_kept_checkpoint_is_kept_too(paths):
    best(paths, 5)
    save(paths, 10, extra={"best_step": 5})
    best(paths, 15)
    save(paths, 20, extra={"best_step": 15})
    catalogue.prune(paths, keep=2, best_step=15)
    assert steps(paths, resumable=False) == [15, 5]
    shutil.rmtree(paths.checkpoint(20))
    catalogue.go_back_to(paths, newest(paths)[0][1], keep=2)
    assert steps(paths, resumable=False) == [5]
    assert paths.best.read_text() == "5\n"
    assert paths.latest.read_text() == "10\n"


def test_f2_saving_and_pruning_killed_anywhere_leaves_a_good_checkpoint(paths):
    def save_and_prune():
        save(paths, 30)
        catalogue.prune(paths, keep=2, best_step=None)

    def prepare():
        shutil.rmtree(paths.checkpoints, ignore_errors=True)
        save(paths, 10)
        save(paths, 20)

    prepare()
    total = count_operations(save_and_prune)
    assert total >= 10
    seen = set()
    for nth in range(1, total + 1):
        prepare()
        with dying_at(nth), pytest.raises(Killed):
            save_and_prune()
        (_, manifest), told = newest(paths)
        assert told == []  # before or after: never a damaged one
        assert len(steps(paths)) >= 2
        seen.add(manifest.step)
    assert seen == {20, 30}


def test_f3_a_full_disk_keeps_the_checkpoint_before_and_leaves_no_rest(paths, monkeypatch):
    save(paths, 10)

    def full(**kwargs):
        (paths.checkpoints / "part").write_text("")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.raw_ops, "SaveV2", full)
    with pytest.raises(OSError, match="No space left"):
        save(paths, 20)
    (paths.checkpoints / "part").unlink()
    assert names_in(paths.checkpoints) == ["000000010", "latest"]
