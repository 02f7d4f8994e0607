"""`erlctl eval`: what was played is printed, whatever becomes of the film."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from erlctl.errors import ErlctlError
from tests.cli.helpers import erlctl


@pytest.mark.parametrize("error", [
    ErlctlError("mp4 needs imageio"), PermissionError(13, "Permission denied"),
])
def test_f37_a_film_that_cannot_be_drawn_costs_no_evaluation(tmp_path, monkeypatch, error):
    from erlctl.cli import eval as command
    from erlctl.runs import evaluate

    class Player:
        def __init__(self, make_program):
            pass

        def close(self):
            pass

        def play(self, *args, **kwargs):
            return SimpleNamespace(step=5, returns=np.array([1.0, 3.0]), lengths=np.array([1, 3]))

    def draw(*args):
        raise error

    root = tmp_path / "study" / "dqn" / "seed-0"
    root.mkdir(parents=True)
    (root / "run.json").write_text("{}")
    monkeypatch.setattr(evaluate, "Player", Player)
    monkeypatch.setattr(command, "_draw", draw)
    result = erlctl("eval", root, "--video", tmp_path / "film.mp4", "--format", "json")
    assert json.loads(result.out)["evaluations"][0]["mean"] == 2.0
    assert result.code == 1
    assert "no video was written" in result.err
