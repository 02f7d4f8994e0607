"""Environments stepped side by side in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

import numpy as np

from erlctl.environments.host.base import HostStep, VectorEnvironment
from erlctl.environments.host.spaces import ActionSpace, ObservationSpace
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.spec.canonical import plain
from erlctl.spec.schema import EnvironmentSection

HEADER = struct.Struct("<cI")  # of a message, see `worker`
_START_SECONDS = 300.0  # importing and making environments may take long
_GRACE_SECONDS = 1.0
_CLOSE_SECONDS = 2.0


class SubprocessVector(VectorEnvironment):
    """N environments in as many processes as there are cores, at most N.

    A process that hangs or dies is noticed: the run fails, and nothing else does.

    Args:
        section: Which environment, and how.
        num_envs: N.

    Raises:
        EnvironmentFault: The environments cannot be made.
        ErlctlError: No agent can use them.
    """

    def __init__(self, section: EnvironmentSection, num_envs: int) -> None:
        self.environment, self.num_envs = section.id, num_envs
        # Longer than the child's own patience, whose message knows the copy and the action.
        self._timeout = section.step_timeout + _GRACE_SECONDS
        count = min(num_envs, len(os.sched_getaffinity(0)))
        parts = np.array_split(np.arange(num_envs), count)
        self._children = [_Child(section, part) for part in parts]
        self._finalizer = weakref.finalize(self, _close, self._children)
        facts = [self._receive(child, b"I", _START_SECONDS) for child in self._children]
        self._set_spaces(json.loads(facts[0]))
        self._elapsed = np.zeros(num_envs, np.int64)
        self._actions: np.ndarray | None = None

    def _set_spaces(self, facts: dict[str, Any]) -> None:
        def unconverted(value: Any) -> Any:  # the children convert
            return value

        self.observation = ObservationSpace(
            tuple(facts["shape"]), np.dtype(facts["dtype"]), facts["high"], unconverted
        )
        self.action = ActionSpace(
            facts["num_actions"], np.array(facts["low_action"], np.float32),
            np.array(facts["high_action"], np.float32), unconverted,
            factors=tuple(facts["factors"]),
        )
        self.time_limit = facts["time_limit"]

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        """Begin new episodes everywhere; return the first observations [N, ...]."""
        self._elapsed[:], self._actions = 0, None
        for child in self._children:
            self._send(child, b"R", seeds[child.part].astype(np.uint32))
        rows = [self._receive(child, b"O", self._timeout) for child in self._children]
        dtype = self.observation.dtype
        return np.concatenate([np.frombuffer(row, dtype) for row in rows]).reshape(
            self.num_envs, *self.observation.shape
        )

    def step(self, actions: np.ndarray) -> HostStep:
        """Step every environment; those whose episode ends begin the next one at once."""
        actions = actions.astype(self.action.dtype, copy=False)
        self._elapsed += 1
        self._actions = actions
        for child in self._children:
            self._send(child, b"S", actions[child.part])
        bodies = [self._receive(child, b"S", self._timeout) for child in self._children]
        steps = [
            self._read(body, len(child.part))
            for body, child in zip(bodies, self._children, strict=True)
        ]
        step = HostStep(*(np.concatenate(arrays) for arrays in zip(*steps, strict=True)))
        self._elapsed[step.terminated | step.truncated] = 0
        return step

    def _read(self, body: bytes, count: int) -> HostStep:
        """Return the arrays of a step of `count` environments; the order is HostStep's."""
        shape, dtype = (count, *self.observation.shape), self.observation.dtype
        arrays, offset = [], 0
        for field_shape, field_dtype in (
            (shape, dtype), ((count,), np.float64), ((count,), np.bool_), ((count,), np.bool_),
            (shape, dtype),
        ):
            size = int(np.prod(field_shape))
            array = np.frombuffer(body, field_dtype, size, offset).reshape(field_shape)
            arrays.append(array)
            offset += array.nbytes
        return HostStep(*arrays)

    def _send(self, child: _Child, kind: bytes, array: np.ndarray) -> None:
        body = np.ascontiguousarray(array).tobytes()
        try:
            child.requests.write(HEADER.pack(kind, len(body)) + body)
            child.requests.flush()
        except BrokenPipeError as error:
            raise self._died(child) from error

    def _receive(self, child: _Child, kind: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        came, size = HEADER.unpack(self._read_exactly(child, HEADER.size, deadline))
        body = self._read_exactly(child, size, deadline)
        if came == kind:
            return body
        facts = json.loads(body)
        if "message" in facts:
            raise ErlctlError(facts["message"])
        index = None if facts["index"] is None else int(child.part[facts["index"]])
        raise EnvironmentFault(self.environment, **{**facts, "index": index})

    def _read_exactly(self, child: _Child, size: int, deadline: float) -> bytes:
        parts = []
        while size:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([child.answers], [], [], left)[0]:
                child.process.kill()
                raise self._fault(child, f"has not come back after {self._timeout:g} s")
            part = os.read(child.answers, size)
            if not part:
                raise self._died(child)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _died(self, child: _Child) -> EnvironmentFault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(_CLOSE_SECONDS)
        return self._fault(child, f"ended its process with exit code {child.process.returncode}")

    def _fault(self, child: _Child, problem: str) -> EnvironmentFault:
        """Return a fault of one of a child's environments; nobody knows which."""
        where: dict[str, Any] = {"index": child.part.tolist()}
        if self._actions is not None:
            where["step"] = self._elapsed[child.part].tolist()
            where["action"] = self._actions[child.part].tolist()
        return EnvironmentFault(self.environment, problem, **where)

    def close(self) -> None:
        """End every process."""
        self._finalizer()


class _Child:
    """One process and the environments that it steps.

    Args:
        section: Which environment.
        part: Indices of its environments.
    """

    def __init__(self, section: EnvironmentSection, part: np.ndarray) -> None:
        self.part = part
        # In a session of its own, so that the terminal's Ctrl-C reaches the run alone.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "erlctl.environments.host.worker"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests = self.process.stdin
        self.answers = self.process.stdout.fileno()
        # The kernel takes the end of the thread that starts a process for the end of the parent.
        lasts = threading.current_thread() is threading.main_thread()
        task = {"section": plain(section), "num_envs": len(part), "dies_with_parent": lasts}
        with contextlib.suppress(BrokenPipeError):  # noticed when its answer is read
            self.requests.write(json.dumps(task).encode() + b"\n")
            self.requests.flush()


def _close(children: list[_Child]) -> None:
    for child in children:
        with contextlib.suppress(BrokenPipeError):
            child.requests.close()
    deadline = time.monotonic() + _CLOSE_SECONDS
    for child in children:
        try:
            child.process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        assert child.process.stdout is not None
        child.process.stdout.close()
