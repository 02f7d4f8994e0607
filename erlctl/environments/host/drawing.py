"""Whether EnvPool can draw an environment on this machine, tried in a process of its own.

MuJoCo without OpenGL ends the process that asks for a picture.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from erlctl.errors import EnvironmentFault

# What EnvPool must be told when an environment is made that is to be drawn.
MODE: Mapping[str, Any] = {"render_mode": "rgb_array"}
_SECONDS = 120.0


def require(environment_id: str, options: Mapping[str, Any]) -> None:
    """Raise unless EnvPool draws the environment.

    Args:
        environment_id: EnvPool's id.
        options: Keyword arguments that it is made with.

    Raises:
        EnvironmentFault: It does not; says what the attempt printed last.
    """
    task = json.dumps({"id": environment_id, "options": dict(options)})
    # The child finds what this process finds, from wherever it is run.
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with tempfile.TemporaryDirectory() as folder:  # MuJoCo writes a log where it is run
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__], input=task, text=True, check=False, cwd=folder,
                env={**os.environ, **paths}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            problem = f"has drawn no picture in {_SECONDS:g} s"
            raise EnvironmentFault(environment_id, problem) from error
    if done.returncode:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        last = f": {said[-1]}" if said else f" (exit code {done.returncode})"
        raise EnvironmentFault(
            environment_id, f"cannot be drawn by EnvPool here{last}",
            fix="environments of MuJoCo need OpenGL, on Debian for example libegl1",
        )


def main() -> None:
    """Draw the environment that stdin describes."""
    import envpool

    task = json.load(sys.stdin)
    pool = envpool.make(task["id"], env_type="gymnasium", num_envs=1, **task["options"], **MODE)
    pool.reset()
    pool.render()


if __name__ == "__main__":
    main()
