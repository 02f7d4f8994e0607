"""EnvPool's pictures are asked for in another process first, which may die of it."""

import pytest

from erlctl.environments.host import drawing
from erlctl.errors import EnvironmentFault

# Stands in for EnvPool: it draws "Good", ends the process for "Bad" and knows nothing else.
ENVPOOL = """
import os, sys

class Pool:
    def __init__(self, name, frames):
        self.name = name

    def reset(self):
        return [0]

    def render(self):
        if self.name == "Bad":
            print("ERROR: no OpenGL", flush=True)
            open("LOG.TXT", "w").close()
            os._exit(1)

def make(name, *, env_type, num_envs, render_mode, frames):
    assert (env_type, num_envs, render_mode) == ("gymnasium", 1, "rgb_array")
    if name not in ("Good", "Bad"):
        raise KeyError(name)
    return Pool(name, frames)
"""


@pytest.fixture(autouse=True)
def _envpool(tmp_path, monkeypatch):
    (tmp_path / "envpool.py").write_text(ENVPOOL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_what_can_be_drawn_passes():
    drawing.require("Good", {"frames": 4})


@pytest.mark.parametrize(("name", "message"), [
    ("Bad", "environment Bad cannot be drawn by EnvPool here: ERROR: no OpenGL"),
    ("Other", "environment Other cannot be drawn by EnvPool here: KeyError: 'Other'"),
])
def test_what_cannot_be_drawn_is_told_and_leaves_nothing_behind(name, message, tmp_path):
    with pytest.raises(EnvironmentFault, match=message) as caught:
        drawing.require(name, {"frames": 4})
    assert "libegl1" in caught.value.fix
    assert [path.name for path in tmp_path.glob("*.*")] == ["envpool.py"]
