"""Whether a gRPC server, as every part of Ray is one, answers at an address."""

from __future__ import annotations

import os
import socket

# RFC 9113: the client's preface and an empty SETTINGS frame (length 0, type 4, no flags, stream 0).
# A server answers with SETTINGS of its own before it is asked for anything.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_BYTES, _TYPE_AT, _SETTINGS = 9, 3, 4


def greet(host: str, port: int, seconds: float) -> bytes:
    """Return what is answered to a greeting, b"" where the connection is closed.

    Args:
        host: Name or address.
        port: Port.
        seconds: For each step: to connect, and until the answer.

    Raises:
        TimeoutError: Nothing comes.
        OSError: There is no such host, or nobody listens there.
    """
    with socket.create_connection((host, port), seconds) as connection:
        connection.sendall(_GREETING)
        return connection.recv(_FRAME_BYTES)


def is_ray(answer: bytes) -> bool:
    """Return whether an answer may be that of a part of Ray."""
    if os.environ.get("RAY_USE_TLS") == "1":
        return True  # it waits for another greeting; that somebody listens there is all we know
    return answer[_TYPE_AT:_TYPE_AT + 1] == bytes((_SETTINGS,))
