"""A run directory that travels in parcels is a run directory at every moment."""

from __future__ import annotations

import pytest

from erlctl.launch.parcels import Packer, unpack
from erlctl.runs import catalogue, store
from erlctl.runs.layout import RunPaths


@pytest.fixture
def node(tmp_path):
    """Return a run directory as a training process leaves it."""
    paths = RunPaths(tmp_path / "node" / "seed-0")
    for step in (5, 10):
        paths.checkpoint(step).mkdir(parents=True)
        (paths.checkpoint(step) / "state.index").write_text(f"state {step}")
    (paths.policy / "variables").mkdir(parents=True)
    (paths.policy / "variables" / "v").write_text("weights")
    paths.tensorboard.mkdir()
    for path, text in ((paths.run_json, "{}"), (paths.progress, "a\n"), (paths.latest, "10\n"),
                       (paths.tensorboard / "events", "e"), (paths.lock, "held"),
                       (paths.root / ".tmp-1-abc", "half"),
                       (paths.checkpoints / ".tmp-1-abc", "half")):
        path.write_text(text)
    return paths


@pytest.fixture
def here(tmp_path):
    return RunPaths(tmp_path / "here" / "seed-0")


def content(paths):
    return {str(path.relative_to(paths.root)): path.read_text()
            for path in paths.root.rglob("*") if path.is_file()}


def test_everything_of_the_run_travels_and_nothing_of_the_process(node, here):
    unpack(Packer(node).pack(), here)
    expected = {name: text for name, text in content(node).items()
                if name != ".lock" and ".tmp-" not in name}
    assert content(here) == expected
    assert len(expected) == 7


def test_only_what_is_new_travels_and_old_checkpoints_go(node, here):
    packer = Packer(node)
    unpack(packer.pack(), here)
    assert packer.pack().files == packer.pack().folders == {}
    node.checkpoint(15).mkdir()
    (node.checkpoint(15) / "state.index").write_text("state 15")
    store.remove(node.checkpoint(5))
    with node.progress.open("a") as file:
        file.write("b\n")
    parcel = packer.pack()
    assert list(parcel.files) == ["progress.csv"]
    assert list(parcel.folders) == ["checkpoints/000000015"]
    unpack(parcel, here)
    assert here.progress.read_text() == "a\nb\n"
    assert sorted(path.name for path in here.checkpoints.iterdir()) == [
        "000000010", "000000015", "latest"]


def test_what_was_sent_to_a_node_does_not_come_back(node, here):
    unpack(Packer(node).pack(), here)
    assert Packer(here, has_all=True).pack().files == {}
    assert Packer(here, has_all=True).pack().folders == {}


def test_a_checkpoint_that_goes_while_it_is_read_is_left_out(node, monkeypatch):
    packer = Packer(node)
    found = packer._read_folder

    def read(folder):
        if folder == node.checkpoint(5):
            store.remove(folder)
        return found(folder)

    monkeypatch.setattr(packer, "_read_folder", read)
    assert list(packer.pack().folders) == ["checkpoints/000000010", "policy"]


def publish(paths, step):
    """Do as a process does that writes a checkpoint and keeps two."""
    paths.checkpoint(step).mkdir()
    (paths.checkpoint(step) / "state.index").write_text(f"state {step}")
    paths.run_json.write_text(f'{{"checkpoint": {step}}}')
    for folder in catalogue.list_checkpoints(paths)[2:]:
        store.remove(folder)


def publish_during_pack(packer, monkeypatch, *steps):
    """Let checkpoints be published between the looks at the folders and at the files."""
    files = packer._files

    def late():
        for step in steps:
            publish(packer.paths, step)
        return files()

    monkeypatch.setattr(packer, "_files", late)
    return packer.pack()


def test_run_json_tells_of_no_checkpoint_that_was_left_behind(node, here, monkeypatch):
    publish(node, 15)
    packer = Packer(node)
    unpack(publish_during_pack(packer, monkeypatch, 20), here)
    assert here.run_json.read_text() == '{"checkpoint": 15}'
    assert here.checkpoint(15).is_dir()
    monkeypatch.undo()
    unpack(packer.pack(), here)
    assert here.run_json.read_text() == '{"checkpoint": 20}'
    assert [folder.name for folder in catalogue.list_checkpoints(here)] == [
        "000000020", "000000015"]


def test_no_checkpoint_goes_before_another_has_come(node, here, monkeypatch):
    packer = Packer(node)
    unpack(packer.pack(), here)
    unpack(publish_during_pack(packer, monkeypatch, 15, 20), here)
    assert [folder.name for folder in catalogue.list_checkpoints(here)] == [
        "000000010", "000000005"]


def test_a_disk_that_fails_leaves_the_checkpoints_that_there_were(node, here, monkeypatch):
    packer = Packer(node)
    unpack(packer.pack(), here)
    before = content(here)
    node.checkpoint(15).mkdir()
    (node.checkpoint(15) / "state.index").write_text("state 15")
    store.remove(node.checkpoint(5))
    parcel = packer.pack()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_new", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(parcel, here)
    assert content(here) == before
