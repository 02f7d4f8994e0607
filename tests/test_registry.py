"""Entries are found by name; names are unique; plug-ins that break say which package it is."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import pytest

from erlctl import registry
from erlctl.errors import ErlctlError, UnknownNameError
from erlctl.fields import Options


@pytest.fixture(autouse=True)
def _own_entries(monkeypatch):
    """Leave the real registry as it was."""
    for kind in registry._FOLDERS:
        registry.all_of(kind)
    monkeypatch.setattr(registry, "_entries", {
        kind: dict(entries) for kind, entries in registry._entries.items()
    })


@dataclass(frozen=True, kw_only=True)
class Other(Options):
    """Something to register."""


def test_the_built_in_entries_are_there():
    assert {"dqn", "munchausen_dqn"} <= set(registry.all_of("algorithm"))
    assert {"mlp", "conv"} <= set(registry.all_of("network"))
    assert {"adam"} <= set(registry.all_of("optimizer"))
    assert {"greedy", "epsilon_greedy", "boltzmann"} <= set(registry.all_of("policy"))


@pytest.mark.parametrize("kind", ["algorithm", "network", "optimizer", "policy"])
def test_entries_are_sorted_and_know_their_name(kind):
    entries = registry.all_of(kind)
    assert list(entries) == sorted(entries)
    assert all(cls.registered_name == name for name, cls in entries.items())


def test_entries_cannot_be_changed_from_outside():
    assert isinstance(registry.all_of("policy"), MappingProxyType)


def test_a_registered_class_is_found():
    registry.register("network", "other")(Other)
    assert registry.get("network", "other") is Other


def test_registering_a_class_again_is_fine():
    for _ in range(2):
        registry.register("network", "other")(Other)


def test_a_name_cannot_be_taken_twice():
    with pytest.raises(ErlctlError, match=r"'mlp' is registered twice: .*Mlp and .*Other"):
        registry.register("network", "mlp")(Other)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown algorithm 'dpn'; did you mean 'dqn'"):
        registry.get("algorithm", "dpn")


class _Point:
    name, value = "theirs", "their.module"

    def __init__(self, load):
        self.load = load


def _install(monkeypatch, load):
    points = SimpleNamespace(select=lambda group: [_Point(load)])
    monkeypatch.setattr(registry, "_entry_points", lambda: points)
    registry._discover.cache_clear()
    registry.load_plugins.cache_clear()


def test_a_plug_in_registers_its_own(monkeypatch):
    _install(monkeypatch, lambda: registry.register("network", "theirs")(Other))
    assert registry.get("network", "theirs") is Other


def test_a_broken_plug_in_is_named(monkeypatch):
    def load():
        raise ImportError("no such thing")

    _install(monkeypatch, load)
    with pytest.raises(ErlctlError, match=r"plug-in 'theirs' \(their.module\) cannot be loaded"):
        registry.all_of("network")


FILE = """
from dataclasses import dataclass

from erlctl.fields import Options
from erlctl.registry import register


@register("network", "from_a_file")
@dataclass(frozen=True, kw_only=True)
class FromAFile(Options):
    \"\"\"Registered by a plain file.\"\"\"
"""


def test_a_plain_file_registers_its_own_once(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    registry.load_files([path, path])
    cls = registry.get("network", "from_a_file")
    registry.load_files([path])
    assert registry.get("network", "from_a_file") is cls


@pytest.mark.parametrize(("name", "text", "message"), [
    ("mine.py", "1 / 0", r"mine\.py cannot be loaded: ZeroDivisionError"),
    ("mine.txt", "", r"mine\.txt is not a Python file"),
    ("missing.py", None, r"missing\.py cannot be loaded: FileNotFoundError"),
])
def test_a_file_that_cannot_be_loaded_is_named(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ErlctlError, match=message):
        registry.load_files([tmp_path / name])
