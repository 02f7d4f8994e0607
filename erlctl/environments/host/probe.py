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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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


def _ask(sections: Sequence[EnvironmentSection], seconds: float) -> Iterator[Spaces | str]:
    """Yield the answers of one process, the last of which may say how it ended."""
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
            yield from _answers(process, sections, seconds, said)
        finally:
            # The group is there until its leader has been waited for, so nobody else is meant.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()  # type: ignore[union-attr] - it is a pipe


def _answers(
    process: subprocess.Popen[bytes], sections: Sequence[EnvironmentSection], seconds: float,
    said: Any,
) -> Iterator[Spaces | str]:
    assert process.stdout is not None
    partial = b""
    deadline = time.monotonic() + seconds
    count = 0
    while count < len(sections):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not data:
            name = sections[count].id
            yield f"environment {name} {_end(process, said)}" if ready else (
                f"environment {name} was not made within {seconds:g} s")
            return
        *lines, partial = (partial + data).split(b"\n")
        for line in lines:
            yield _read(json.loads(line))
        count += len(lines)
        deadline = time.monotonic() + seconds


def _end(process: subprocess.Popen[bytes], said: Any) -> str:
    """Return how a process ended that has closed its stdout, and what it said last."""
    try:
        code = process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return "ended the talk of the process that made it"
    how = f"killed it by {signal.Signals(-code).name}" if code < 0 else f"ended it with code {code}"
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
    lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f"cannot be made: the process that tried {how}" + (f": {lines[-1]}" if lines else "")


def _read(answer: dict[str, Any]) -> Spaces | str:
    if "problem" in answer:
        return str(answer["problem"])
    observation, action = (
        Space(**{**answer[name], "shape": tuple(answer[name]["shape"])})
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
            "action": {"shape": list(action.low.shape), "num_actions": action.num_actions}
            if not action.num_actions else
            {"shape": [], "dtype": "int32", "num_actions": action.num_actions},
            "time_limit": vector.time_limit,
        }
        vector.close()
    except ErlctlError as error:
        return {"problem": " ".join(str(error).replace("\n  fix: ", "; ").split())}
    return answer


if __name__ == "__main__":
    main()
