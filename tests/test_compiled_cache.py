"""The cache of compiled programs: only what is whole, sealed and of this machine is used."""

import errno
import os
import subprocess
import sys
from importlib import metadata

import pytest

from erlctl import compiled_cache
from erlctl.compiled_cache import CompiledCache


def entry(folder, name, data=b"code", sealed=True, age=0):
    path = folder / f"{name}.pb"
    path.write_bytes(data)
    if sealed:
        CompiledCache(folder).seal()
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_sealed_and_whole_stays(tmp_path):
    entry(tmp_path, "a")
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == ["a.blake2b", "a.pb"]


def test_what_is_not_sealed_or_not_whole_goes(tmp_path):
    entry(tmp_path, "good")
    for name, spoil in (("short", b"cod"), ("other", b"kode"), ("empty", b"")):
        entry(tmp_path, name).write_bytes(spoil)
    entry(tmp_path, "unsealed", sealed=False)
    (tmp_path / "odd.pb").write_bytes(b"code")
    (tmp_path / "odd.blake2b").write_bytes(b"\xff")
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == ["good.blake2b", "good.pb"]


def test_the_oldest_go_when_there_are_too_many(tmp_path, monkeypatch):
    for age in range(5):
        entry(tmp_path, f"e{age}", data=bytes(100), age=age)
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 250)
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == ["e0.blake2b", "e0.pb", "e1.blake2b", "e1.pb"]


def test_a_seal_is_never_written_anew(tmp_path):
    """Else damage would be vouched for by the next process."""
    entry(tmp_path, "a").write_bytes(b"spoilt")
    CompiledCache(tmp_path).seal()
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == []


def test_where_it_lies(tmp_path):
    at_home = compiled_cache.find({"XDG_CACHE_HOME": str(tmp_path)})
    assert at_home.folder.parent == tmp_path / "erlctl" / "xla"
    assert at_home.folder.stat().st_mode & 0o777 == 0o700
    chosen = compiled_cache.find({"ERLCTL_XLA_CACHE": str(tmp_path / "mine")})
    assert chosen.folder.parent == tmp_path / "mine"
    # Other flags compile other code.
    flags = compiled_cache.find({"XDG_CACHE_HOME": str(tmp_path), "XLA_FLAGS": "--xla_x=1"})
    assert flags.folder != at_home.folder


@pytest.mark.parametrize("environment", [
    {"ERLCTL_XLA_CACHE": "off"},
    {"TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=/theirs"},
])
def test_there_may_be_none(environment):
    assert compiled_cache.find(environment) is None


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The variable set to a folder that is not there yet."""
    monkeypatch.setenv("ERLCTL_XLA_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_x=1")
    return tmp_path / "mine"


def refused():
    """Return why there is no cache; TensorFlow is told of none then."""
    assert compiled_cache.enable() is None
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_x=1"
    with pytest.raises(OSError, match=r"\S") as error:
        compiled_cache.find(os.environ)
    return str(error.value)


@pytest.mark.parametrize("writers", [0o002, 0o020])
def test_a_folder_that_others_can_write_or_move_is_not_used(mine, writers, monkeypatch):
    folder = compiled_cache.find(os.environ).folder
    folder.chmod(0o700 | writers)
    assert f"{folder} belongs to others or can be written by them" in refused()
    folder.chmod(0o700)
    mine.chmod(0o700 | writers)
    monkeypatch.setattr(compiled_cache, "_is_private", lambda group: False)
    assert refused() == f"{mine} can be written by others"
    mine.chmod(0o1700 | writers)  # as /tmp: there nobody moves what is another's
    assert compiled_cache.find(os.environ).folder == folder


def test_a_group_of_ones_own_is_nobody_else(mine, monkeypatch):
    folder = compiled_cache.find(os.environ).folder
    mine.chmod(0o770)
    monkeypatch.setattr(compiled_cache, "_is_private", lambda group: True)
    assert compiled_cache.find(os.environ).folder == folder


def test_a_folder_that_takes_no_entry_is_not_used(mine, monkeypatch):
    """TensorFlow fails a compilation whose program it cannot write."""
    folder = compiled_cache.find(os.environ).folder

    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_bytes", full)
        assert "No space left on device" in refused()
    assert names(folder) == []


@pytest.mark.parametrize("folder", ["/proc/nowhere", '/tmp/a "quoted" one', "~nobody-here/x"])
def test_a_folder_that_cannot_be_had_is_not_used(folder, mine, monkeypatch, tmp_path):
    monkeypatch.setenv("ERLCTL_XLA_CACHE", folder.replace("/tmp", str(tmp_path)))
    assert refused()


def test_a_home_folder_may_have_a_blank_in_its_name(tmp_path, monkeypatch):
    home = tmp_path / "Jo Doe"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_x=1")
    monkeypatch.setenv("ERLCTL_XLA_CACHE", "~/programs")
    folder = compiled_cache.enable().folder
    assert folder.parent == home / "programs"
    assert os.environ["TF_XLA_FLAGS"] == (
        f'--tf_xla_x=1 --tf_xla_persistent_cache_directory="{folder}"')


def test_a_checkout_that_was_never_installed_has_one_too(mine, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert compiled_cache.find(os.environ).folder.parent == mine


def test_what_was_left_half_written_goes_after_an_hour(tmp_path):
    entry(tmp_path, "a")
    for name in ("x.pb.tmp", "b.blake2b", "a.1234"):
        (tmp_path / name).touch()
    now = names(tmp_path)
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == now
    for path in tmp_path.iterdir():
        os.utime(path, (1e9, 1e9))
    CompiledCache(tmp_path).verify()
    assert names(tmp_path) == ["a.blake2b", "a.pb"]


def test_folders_of_other_versions_go_when_nobody_has_used_them_for_long(mine):
    folder = compiled_cache.find(os.environ).folder
    used, unused, other = (mine / name for name in ("0" * 16, "1" * 16, "mine"))
    for path in (used, unused, other):
        path.mkdir()
        (path / "a.pb").touch()
    for path in (folder, unused, other):
        os.utime(path, (1e9, 1e9))
    assert compiled_cache.enable().folder == folder
    assert {path.name for path in mine.iterdir()} == {used.name, other.name, folder.name}
    compiled_cache.CompiledCache(folder).remove_unused()
    assert folder.exists()


def test_a_run_that_ends_for_want_of_room_says_what_helps(tmp_path):
    cache = CompiledCache(tmp_path)
    assert cache.explained("it failed") == "it failed"
    assert cache.explained(f"{tmp_path}/x.tmp; No space").endswith("ERLCTL_XLA_CACHE=off)")


PROGRAM = """
import erlctl
from erlctl import compiled_cache
from erlctl.tensorflow_setup import settings
import os
os.environ.update(settings(os.environ))
cache = compiled_cache.enable()
from tests.contract.cases import small_run
from erlctl.algorithms.munchausen_dqn import MunchausenDqn
from erlctl.training.factory import make_program
program = make_program(small_run(MunchausenDqn()))
program.advance(60)
import hashlib, numpy as np
state = {name: np.array(value).tobytes() for name, value in sorted(program.state().items())}
print(hashlib.blake2b(repr(state).encode()).hexdigest())
if cache: cache.seal()
"""


@pytest.mark.slow
def test_the_same_bytes_without_with_an_empty_and_with_a_full_cache(tmp_path, repository):
    def train(cache):
        environment = {**os.environ, "ERLCTL_XLA_CACHE": str(cache), "PYTHONPATH": str(repository)}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True,
                              capture_output=True, text=True)
        return done.stdout.split()[-1]

    found = [train(cache) for cache in ("off", tmp_path, tmp_path)]
    assert len(set(found)) == 1
    entries = sorted(tmp_path.glob("*/*.pb"))
    assert entries
    for path in entries:  # as after a crash of the machine: TensorFlow itself would fail on it
        os.truncate(path, path.stat().st_size // 2)
    assert train(tmp_path) == found[0]
    assert {path.stat().st_size for path in entries} == {
        path.stat().st_size for path in sorted(tmp_path.glob("*/*.pb"))}
