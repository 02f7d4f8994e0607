"""Adding an algorithm is one file, also in another package: it is found, checked and trained."""

import sys
from pathlib import Path

import pytest

from erlctl import registry, spec
from erlctl.errors import SpecError

PACKAGE = Path(__file__).with_name("package")
SPEC = """
name: theirs
environment: {id: CartPole-v1}
agent: {algorithm: their_dqn, weight: %s}
network: {type: mlp, hidden: [8]}
training: {steps: 60, learning_starts: 20, batch_size: 8, replay_capacity: 50, compile: graph}
seeds: 1
"""


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """Put the package and its metadata on the path, and take it away again."""
    for kind in registry._FOLDERS:
        registry.all_of(kind)
    entries = {kind: dict(known) for kind, known in registry._entries.items()}
    monkeypatch.setattr(registry, "_entries", entries)
    monkeypatch.syspath_prepend(str(PACKAGE))
    caches = (registry._discover, registry.load_plugins, registry._entry_points)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()
    sys.modules.pop("their_dqn", None)


def write(tmp_path, weight):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC % weight)
    return path


def test_the_entry_point_makes_the_algorithm_known():
    cls = registry.get("algorithm", "their_dqn")
    assert (cls.__module__, cls.registered_name) == ("their_dqn", "their_dqn")
    assert "their_dqn" in registry.all_of("algorithm")


def test_its_fields_are_checked_like_ours(tmp_path):
    with pytest.raises(SpecError, match=r"agent\.weight: must be in \[0, 1\], got 1\.5"):
        spec.load(write(tmp_path, 1.5))


def test_it_trains(tmp_path):
    from erlctl.training.factory import make_program

    (run,) = spec.load(write(tmp_path, 0.25)).runs
    assert run.agent.weight == 0.25
    program = make_program(run)
    chunk = program.advance(60)
    assert (chunk.step, chunk.updates, chunk.diverged_at) == (60, 40, None)
    assert program.agent._backup.gap_scale.number == 0.25
    program.take_diagnostics()
    assert {"loss", "q_mean", "gradient_norm"} <= set(program.interval_metrics())


def test_a_resolved_spec_of_it_is_read_again(tmp_path):
    (run,) = spec.load(write(tmp_path, 0.25)).runs
    again = tmp_path / "again.yaml"
    again.write_text(spec.dump(run))
    assert spec.load_run(again) == run
