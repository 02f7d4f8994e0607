"""Who is to be drawn is told when it is made; EnvPool is tried in another process first."""

import numpy as np
import pytest

from erlctl.environments.host import drawing
from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault
from erlctl.spec.schema import EnvironmentSection
from tests.environments.host.fakes import Counter

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


class Pictured(Counter):
    """Draws only where it was told to when it was made, as Gymnasium's environments do."""

    def __init__(self, render_mode=None, **options):
        super().__init__(**options)
        self.render_mode = render_mode

    def render(self):
        assert self.render_mode == "rgb_array", self.render_mode
        return np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("kwargs", [{}, {"render_mode": None}])
def test_a_home_made_environment_is_told_that_it_will_be_drawn(kwargs):
    section = EnvironmentSection(
        id=f"{__name__}:Pictured", backend="python", kwargs={"length": 3, **kwargs})
    vector = make_vector(section, 1, draws=True)
    vector.reset(np.array([1]))
    assert vector.render().shape == (8, 8, 3)
    assert make_vector(section, 1).render() is None


def test_an_environment_that_draws_without_being_told_is_made_as_it_is():
    section = EnvironmentSection(id="tests.environments.host.fakes:Pictures", backend="python")
    vector = make_vector(section, 1, draws=True)
    vector.reset(np.array([1]))
    assert vector.render().shape == (8, 8, 3)
