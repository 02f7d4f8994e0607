"""Frames of the compiled environments, and films of them, without a display.

Classic control is drawn by gym's own renderer from our state, MinAtar as one coloured square per
cell, a tabular MDP as its map; reacher and tanks draw themselves.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from erlctl.environments import registry
from erlctl.environments.host import packages
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from erlctl.environments.compiled.base import CompiledEnvironment

Frame = npt.NDArray[np.uint8]
State = Mapping[str, npt.NDArray[Any]]

CELL = 24  # pixels of a board cell
_COLUMNS = 10  # of a table that has no map
_CHARACTERS = {"#": (40, 40, 48), "S": (214, 222, 240), "G": (120, 190, 120), "R": (120, 190, 120)}
_FLOOR = (240, 240, 240)
_AGENT = (200, 60, 50)
_FPS = {"gym": 30, "channels": 10, "states": 5, "picture": 20}


def render_frame(
    environment_id: str, state: State, arguments: Mapping[str, Any] | None = None
) -> Frame:
    """Return a picture of one environment, uint8 [height, width, 3].

    Args:
        environment_id: Id of a compiled environment.
        state: Its state by name, without the batch dimension; names as in the environment's `State`
            or in its `state_variables` ("x" or "state/x"), others are ignored.
        arguments: Keyword arguments that the environment was made with.

    Raises:
        UnknownNameError: No compiled environment has this id.
        ErlctlError: The package that draws it is not installed.
    """
    entry = registry.find(environment_id)
    own = {name.removeprefix("state/"): value for name, value in state.items()}
    given = tuple(sorted((arguments or {}).items()))
    if entry.drawing not in _DRAWINGS:
        raise ErlctlError(f"{entry.id} draws no pictures")
    return _DRAWINGS[entry.drawing](entry.id, own, given)


def frames_per_second(environment_id: str) -> int:
    """Return the speed at which a film of the environment is easy to follow."""
    return _FPS.get(registry.find(environment_id).drawing, _FPS["gym"])


def write_video(frames: Iterable[Frame], path: Path, fps: int = 30) -> int:
    """Write frames of equal size as GIF or, with the extra `video`, as MP4, by the file's suffix.

    Returns:
        How many they were.

    Raises:
        ErlctlError: The suffix is another one, there is no frame, or MP4 cannot be written here.
    """
    count = itertools.count()
    iterator = (frame for frame, _ in zip(frames, count))  # noqa: B905 - count has no end
    first = next(iterator, None)
    if first is None:
        raise ErlctlError(f"no frames for {path}", fix="film at least one step")
    check_video(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[path.suffix.lower()](first, iterator, path, fps)
    return next(count)


def check_video(path: Path) -> None:
    """Refuse a file that `write_video` cannot write here.

    Raises:
        ErlctlError: Its suffix is another one, or MP4's package is missing.
    """
    suffix = path.suffix.lower()
    gif = path.with_suffix(".gif")
    if suffix not in _WRITERS:
        raise ErlctlError(
            f"cannot write {path}: the suffix {path.suffix!r} is neither .gif nor .mp4",
            fix=f"name the file {gif}",
        )
    if suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ErlctlError(
            f"cannot write {path}: MP4 needs imageio-ffmpeg, which is not installed",
            fix=f"pip install 'erlctl[video]', or name the file {gif}",
        )


def _write_gif(first: Frame, rest: Iterator[Frame], path: Path, fps: int) -> None:
    from PIL import Image

    Image.fromarray(first).save(
        path, format="GIF", save_all=True, append_images=map(Image.fromarray, rest),
        duration=round(1000 / fps), loop=0,
    )


def _write_mp4(first: Frame, rest: Iterator[Frame], path: Path, fps: int) -> None:
    ffmpeg = importlib.import_module("imageio_ffmpeg")
    height, width = first.shape[:2]
    writer = ffmpeg.write_frames(str(path), (width, height), fps=fps, macro_block_size=4)
    writer.send(None)
    writer.send(np.ascontiguousarray(first))
    for frame in rest:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


_WRITERS: Mapping[str, Callable[[Frame, Iterator[Frame], Path, int], None]] = {
    ".gif": _write_gif, ".mp4": _write_mp4,
}


def _by_gym(environment_id: str, state: State, arguments: tuple[tuple[str, Any], ...]) -> Frame:
    del arguments  # a time limit changes nothing that can be seen
    environment = _gym(environment_id)
    environment.state = np.asarray(state["x"], np.float64)
    environment.last_u = None  # Pendulum draws its torque, which is no part of the state
    frame: Frame = np.array(environment.render(mode="rgb_array"), np.uint8)
    return frame


@functools.cache
def _gym(environment_id: str) -> Any:
    packages.prepare_pygame()
    try:
        return packages.load("gym").make(environment_id).unwrapped
    except ImportError as error:
        raise ErlctlError(
            f"{environment_id} cannot be drawn: {error}", fix="pip install 'pygame==2.1.3'"
        ) from error


def _channels(environment_id: str, state: State, arguments: tuple[tuple[str, Any], ...]) -> Frame:
    environment = _environment(environment_id, arguments)
    board = environment.observe({name: value[np.newaxis] for name, value in state.items()})
    planes = board.numpy()[0]  # [10, 10, C]
    # Of several things in one cell the last channel shows, as in the package.
    number = (planes * (np.arange(planes.shape[-1]) + 1)).max(-1)
    return _enlarged(_palette(planes.shape[-1])[number])


def _states(environment_id: str, state: State, arguments: tuple[tuple[str, Any], ...]) -> Frame:
    table = _environment(environment_id, arguments).table
    count = table.num_states
    cells = "".join(table.layout) or "".join("G" if end else "O" for end in table.terminal)
    columns = len(table.layout[0]) if table.layout else min(_COLUMNS, count)
    picture = np.full((math.ceil(count / columns) * columns, 3), 255, np.uint8)
    picture[:count] = [_CHARACTERS.get(cell, _FLOOR) for cell in cells]
    frame = _enlarged(picture.reshape(-1, columns, 3))
    frame[::CELL], frame[:, ::CELL] = 200, 200  # the grid
    y, x = (CELL * int(part) for part in divmod(int(state["s"]), columns))
    margin = CELL // 4
    frame[y + margin : y + CELL - margin, x + margin : x + CELL - margin] = _AGENT
    return frame


def _picture(environment_id: str, state: State, arguments: tuple[tuple[str, Any], ...]) -> Frame:
    frame: Frame = _environment(environment_id, arguments).picture(state)
    return frame


_DRAWINGS: Mapping[str, Callable[[str, State, tuple[tuple[str, Any], ...]], Frame]] = {
    "gym": _by_gym, "channels": _channels, "states": _states, "picture": _picture,
}


@functools.lru_cache(maxsize=8)
def _environment(environment_id: str, arguments: tuple[tuple[str, Any], ...]) -> Any:
    import tensorflow as tf

    # Nothing is drawn from the generator; the environment only knows how to look.
    generator = tf.random.Generator.from_seed(0, alg="philox")
    environment: CompiledEnvironment = registry.make(
        environment_id, 1, generator, **dict(arguments)
    )
    return environment


def _palette(num_channels: int) -> Frame:
    """Return black and `num_channels` colours of the cube helix (Green 2011), uint8 [C + 1, 3]."""
    brightness = np.linspace(0.35, 0.95, num_channels)
    angle = 2 * np.pi * (0.5 / 3 + 1.0 - 2.5 * brightness)
    amplitude = brightness * (1 - brightness) / 2
    mixing = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])
    turn = mixing @ np.stack([np.cos(angle), np.sin(angle)])
    colours = brightness[:, np.newaxis] + (amplitude * turn).T
    colours = np.concatenate([np.zeros((1, 3)), colours.clip(0.0, 1.0)])
    return np.round(255 * colours).astype(np.uint8)


def _enlarged(cells: Frame) -> Frame:
    return cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
