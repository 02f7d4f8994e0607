"""Home-made environments that can be looked at, and some that end the process that tries."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import gym
import numpy as np
from gym import spaces


class Row(gym.Env):
    """Four numbers, three actions."""

    observation_space = spaces.Box(-1, 1, (4,), np.float32)
    action_space = spaces.Discrete(3)


class Picture(Row):
    """A picture as Atari's."""

    observation_space = spaces.Box(0, 255, (84, 84, 4), np.uint8)


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def leaves():
    os._exit(7)


def hangs():
    time.sleep(600)


def parent(note):
    child = subprocess.Popen(["sleep", "600"])
    Path(note).write_text(str(child.pid))
    return Row()
