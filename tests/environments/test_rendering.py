"""Frames of every compiled environment, and films of frames."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from erlctl.environments import registry, rendering
from erlctl.errors import ErlctlError, UnknownNameError

ONE_OF_EACH = sorted(
    {(entry.class_name, entry.fixed.get("builder")): name
     for name, entry in registry.COMPILED.items()}.values())


def first_state(name, **kwargs):
    environment = registry.make(
        name, 1, tf.random.Generator.from_seed(0, alg="philox"), **kwargs)
    environment.reset()
    return {key: variable.numpy()[0] for key, variable in environment.state_variables.items()}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_environment_can_be_drawn(name):
    frame = rendering.render_frame(name, first_state(name))
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 1
    assert rendering.frames_per_second(name) > 0


@pytest.mark.parametrize(("name", "x", "other"), [
    ("CartPole-v1", [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.1, 0.0]),
    ("Pendulum-v1", [0.0, 0.0], [1.0, 0.0]),
])
def test_a_frame_shows_the_state(name, x, other):
    frames = [rendering.render_frame(name, {"x": np.float32(state)}) for state in (x, other, x)]
    assert (frames[0] != frames[1]).any()
    np.testing.assert_array_equal(frames[0], frames[2])


@pytest.mark.parametrize("draw", [
    "from erlctl.environments import rendering\n"
    "rendering.render_frame('CartPole-v1', {'x': [0.0] * 4})",
    "from erlctl.environments.host.make import make_vector\n"
    "from erlctl.spec.schema import EnvironmentSection\n"
    "vector = make_vector(EnvironmentSection(id='CartPole-v1', backend='gym'), 1, draws=True)\n"
    "vector.reset(__import__('numpy').array([0]))\n"
    "assert vector.render().ndim == 3",
], ids=["compiled", "host"])
def test_drawing_says_nothing(draw):
    code = f"{draw}\nimport sys; assert 'pygame' in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_game_is_drawn_as_its_channels():
    state = first_state("MinAtar/Breakout-v1")
    frame = rendering.render_frame("MinAtar/Breakout-v1", state)
    colour = {(y, x): tuple(frame[y * rendering.CELL + 5, x * rendering.CELL + 5])
              for y in range(10) for x in range(10)}
    assert frame.shape == (10 * rendering.CELL, 10 * rendering.CELL, 3)
    assert len({colour[y, x] for y in (1, 2, 3) for x in range(10)}) == 1  # bricks
    assert colour[9, 4] not in {colour[1, 0], (0, 0, 0)}  # the paddle
    assert colour[0, 0] == colour[5, 5] == (0, 0, 0)


def test_a_map_is_as_large_as_its_environment():
    small = rendering.render_frame(
        "GridWorld", first_state("GridWorld", size=3), {"size": 3})
    assert small.shape == (3 * rendering.CELL, 3 * rendering.CELL, 3)


def test_unknown_environments_are_refused():
    with pytest.raises(UnknownNameError):
        rendering.render_frame("Tetris", {})


def test_a_gif_has_every_frame(tmp_path):
    frames = [np.full((8, 8, 3), value, np.uint8) for value in (0, 100, 200)]
    path = tmp_path / "new" / "film.gif"
    assert rendering.write_video(iter(frames), path, fps=10) == 3
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.info["duration"] == 100


def test_mp4_without_its_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(ErlctlError, match=r"pip install 'erlctl\[video\]'"):
        rendering.write_video([np.zeros((8, 8, 3), np.uint8)], tmp_path / "film.mp4")


@pytest.mark.parametrize(("frames", "name", "message"), [
    ([np.zeros((8, 8, 3), np.uint8)], "film.avi", r"neither \.gif nor \.mp4"),
    ([], "film.gif", "no frames"),
])
def test_what_cannot_be_filmed_is_refused(frames, name, message, tmp_path):
    with pytest.raises(ErlctlError, match=message):
        rendering.write_video(frames, tmp_path / name)
    assert not list(tmp_path.iterdir())
