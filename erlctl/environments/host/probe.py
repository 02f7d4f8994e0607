"""What only making an environment tells: asked of a process that does nothing else and then ends.

`ask` starts `python -m erlctl.environments.host.probe`, which reads the environment sections from
its stdin, a JSON list, and answers each with one JSON line, in order. A crash or a hang costs the
one that is being made; another process goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import erlctl
from erlctl.environments.space import Space, Spaces
from erlctl.errors import ErlctlError
from erlctl.options.wrappers import Wrappers
from erlctl.spec.canonical import plain
from erlctl.spec.schema import EnvironmentSection

MAKING_SECONDS = 60.0  # the import of a package included
_TAIL_BYTES = 4096


def ask(
    sections: Sequence[EnvironmentSection], seconds: float = MAKING_SECONDS
) -> list[Spaces | str]:
    """Return what each environment is, or what is wrong with it.

    Args:
        sections: Host environments; those that name code must be trusted already.
        seconds: What making one may take.
    """
    answers: list[Spaces | str] = []
    while len(answers) < len(sections):
        answers += _ask(sections[len(answers):], seconds)
    return answers


def _ask(sections: Sequence[EnvironmentSection], seconds: float) -> list[Spaces | str]:
    """Return the answers of one process, the last of which may say how it ended."""
    alone = (dataclasses.replace(section, num_envs=1, vectorise="inline") for section in sections)
    request = json.dumps([plain(section) for section in alone]).encode()
    root = str(Path(erlctl.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # -P (Python 3.11): a file of the working directory must not stand in for a module of Python's.
    python = [sys.executable, *(["-P"] if sys.version_info >= (3, 11) else [])]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as asked:
        asked.write(request)
        asked.seek(0)
        process = subprocess.Popen(
            [*python, "-m", "erlctl.environments.host.probe"], stdin=asked,
            stdout=subprocess.PIPE, stderr=said, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            answers, is_late = _answers(cast(BinaryIO, process.stdout), len(sections), seconds)
        finally:
            # Its group is there until it has been waited for, so that nobody else is meant. What it
            # has started ends as well; how it ended by itself stays as it was.
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            cast(BinaryIO, process.stdout).close()
        if len(answers) < len(sections):
            how = f"was not made within {seconds:g} s" if is_late else (
                f"cannot be made: the process that tried {_end(code, said)}")
            answers.append(f"environment {sections[len(answers)].id} {how}")
        return answers


def _answers(pipe: BinaryIO, count: int, seconds: float) -> tuple[list[Spaces | str], bool]:
    """Return what came through a pipe and whether the next answer is late; else it has ended."""
    answers: list[Spaces | str] = []
    partial, deadline = b"", time.monotonic() + seconds
    while len(answers) < count:
        ready, _, _ = select.select([pipe], [], [], max(0, deadline - time.monotonic()))
        data = os.read(pipe.fileno(), 1 << 16) if ready else b""
        if not data:
            return answers, not ready
        *lines, partial = (partial + data).split(b"\n")
        answers += [_read(json.loads(line)) for line in lines]
        deadline = time.monotonic() + seconds
    return answers, False


def _end(code: int, said: BinaryIO) -> str:
    """Return how a process ended and what it said last."""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
    lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return how + (f": {lines[-1].strip()}" if lines else "")


def _read(answer: dict[str, Any]) -> Spaces | str:
    if "problem" in answer:
        return str(answer["problem"])
    observation, action = (
        Space(**{
            **answer[name], "shape": tuple(answer[name]["shape"]),
            "factors": tuple(answer[name].get("factors", ())),
        })
        for name in ("observation", "action")
    )
    return Spaces(observation=observation, action=action, time_limit=answer["time_limit"])


def main() -> None:
    """Make each environment and say what it is."""
    sections = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what environments print
    for fields in sections:
        wrappers = Wrappers(**fields.pop("wrappers"))
        answer = _made(EnvironmentSection(**fields, wrappers=wrappers))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _made(section: EnvironmentSection) -> dict[str, Any]:
    from erlctl.environments.host.make import make_vector

    try:
        vector = make_vector(section, 1)
        observation, action = vector.observation, vector.action
        frames = section.wrappers.frame_stack or vector.frame_stack
        *sides, channels = observation.shape
        answer = {
            "observation": {"shape": [*sides, channels * frames], "dtype": observation.dtype.name},
            "action": {
                "shape": action.shape, "dtype": action.dtype.name,
                "num_actions": action.num_actions, "factors": action.factors,
            },
            "time_limit": vector.time_limit,
        }
        vector.close()
    except ErlctlError as error:
        return {"problem": " ".join(str(error).replace("\n  fix: ", "; ").split())}
    return answer


if __name__ == "__main__":
    main()
