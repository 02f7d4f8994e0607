"""A process that steps some of a run's environments: `python -m erlctl.environments.host.worker`.

The first line on stdin is, as JSON, the environment section, the number of environments and whether
this process is to end by signal when its parent does. Then:

    stdin    b"R" + uint32[n] seeds      begin episodes       stdout   b"O" + observations
             b"S" + actions[n]           step                          b"S" + the arrays of HostStep
    end of stdin: end                                            b"F" + a fault as JSON

A message is a kind (one byte), a length (uint32, little-endian) and that many bytes. The first
message back is b"I" + the spaces as JSON. What environments print goes to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, BinaryIO

import numpy as np

from erlctl.environments.host.base import HostStep, VectorEnvironment
from erlctl.environments.host.make import make_inline
from erlctl.environments.host.orphans import signal_when_the_parent_dies
from erlctl.environments.host.subprocess import HEADER
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.options.wrappers import Wrappers
from erlctl.spec.schema import EnvironmentSection


def send(file: BinaryIO, kind: bytes, body: bytes) -> None:
    """Write one message."""
    file.write(HEADER.pack(kind, len(body)) + body)
    file.flush()


def describe(vector: VectorEnvironment) -> dict[str, Any]:
    """Return the spaces of a vector as JSON values."""
    observation, action = vector.observation, vector.action
    return {
        "shape": observation.shape, "dtype": observation.dtype.name, "high": observation.high,
        "num_actions": action.num_actions, "factors": action.factors,
        "low_action": action.low.tolist(),
        "high_action": action.high.tolist(), "time_limit": vector.time_limit,
    }


def step_bytes(step: HostStep) -> bytes:
    """Return the arrays of a step one after another."""
    return b"".join(np.ascontiguousarray(array).tobytes() for array in step)


def main() -> None:
    """Serve one parent until it is gone."""
    requests, answers = _take_over_pipes()
    task = json.loads(requests.readline())
    if task["dies_with_parent"]:
        signal_when_the_parent_dies(signal.SIGKILL)
    wrappers = Wrappers(**task["section"].pop("wrappers"))
    section = EnvironmentSection(**task["section"], wrappers=wrappers)
    try:
        vector = make_inline(section, task["num_envs"])
        send(answers, b"I", json.dumps(describe(vector)).encode())
        _serve(vector, requests, answers)
    except ErlctlError as error:
        send(answers, b"F", json.dumps(_facts(error)).encode())


def _serve(vector: VectorEnvironment, requests: BinaryIO, answers: BinaryIO) -> None:
    shape = (vector.num_envs, *vector.action.shape)
    dtype = vector.action.dtype
    while header := requests.read(HEADER.size):
        kind, size = HEADER.unpack(header)
        body = requests.read(size)
        if kind == b"R":
            send(answers, b"O", vector.reset(np.frombuffer(body, np.uint32)).tobytes())
        else:
            step = vector.step(np.frombuffer(body, dtype).reshape(shape))
            send(answers, b"S", step_bytes(step))
    vector.close()


def _facts(error: ErlctlError) -> dict[str, Any]:
    if not isinstance(error, EnvironmentFault):
        return {"message": str(error)}
    return {name: getattr(error, name) for name in ("problem", "index", "step", "action", "fix")}


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes to the parent; what environments print or read cannot touch them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


if __name__ == "__main__":
    main()
