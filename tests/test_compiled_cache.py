"""The cache of compiled programs: only what is whole, sealed and of this machine is used."""

import os
import subprocess
import sys

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
    {"ERLCTL_XLA_CACHE": "/proc/nowhere"},
])
def test_there_may_be_none(environment):
    assert compiled_cache.find(environment) is None


def test_a_folder_that_others_can_write_is_not_used(tmp_path):
    environment = {"ERLCTL_XLA_CACHE": str(tmp_path)}
    folder = compiled_cache.find(environment).folder
    folder.chmod(0o777)
    assert compiled_cache.find(environment) is None


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
    sizes = [path.stat().st_size for path in entries]
    for path in entries:  # as after a crash of the machine: TensorFlow itself would fail on it
        os.truncate(path, path.stat().st_size // 2)
    assert train(tmp_path) == found[0]
    assert [path.stat().st_size for path in sorted(tmp_path.glob("*/*.pb"))] == sizes
