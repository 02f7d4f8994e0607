"""Specs as texts, loaded from a file."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from erlctl import spec
from erlctl.errors import SpecError
from erlctl.spec.schema import Experiment

BASE = """\
name: test
environment: {id: CartPole-v1}
agent: {algorithm: dqn}
"""


class SpecFile:
    """Writes a text to `spec.yaml` and loads it; messages name it `spec.yaml`."""

    def load(self, text: str | bytes, *overrides: str, seeds: str | None = None) -> Experiment:
        data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        Path("spec.yaml").write_bytes(data)
        return spec.load("spec.yaml", overrides, seeds)

    def add(self, text: str, *overrides: str, seeds: str | None = None) -> Experiment:
        """Load the base spec with more lines."""
        return self.load(BASE + textwrap.dedent(text), *overrides, seeds=seeds)

    def problems(self, load: Callable[[], object]) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load()
        return [str(problem) for problem in caught.value.problems]

    def refuse(self, text: str | bytes, *overrides: str, seeds: str | None = None) -> list[str]:
        return self.problems(lambda: self.load(text, *overrides, seeds=seeds))

    def refuse_added(self, text: str, *overrides: str, seeds: str | None = None) -> list[str]:
        return self.problems(lambda: self.add(text, *overrides, seeds=seeds))


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecFile:
    monkeypatch.chdir(tmp_path)
    return SpecFile()
