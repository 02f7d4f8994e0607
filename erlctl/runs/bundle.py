"""The state of a program that TensorFlow holds, as its tensor bundle without an object graph."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from erlctl.errors import DamagedError

_PREFIX = "state"


def write(folder: Path, state: Mapping[str, Any]) -> None:
    """Write variables and arrays by their names.

    Raises:
        OSError: The disk is full or fails.
    """
    names = sorted(state)
    prefix = str(folder / _PREFIX)
    try:
        tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names),
            tensors=[_tensor(state[name]) for name in names],
        )
    except tf.errors.OpError as error:
        is_full = isinstance(error, tf.errors.ResourceExhaustedError)
        code = errno.ENOSPC if is_full else errno.EIO
        raise OSError(code, f"{os.strerror(code)} ({error.message})", prefix) from error


def _tensor(value: Any) -> tf.Tensor:
    """Return a variable's value, or an array as a tensor on the same memory: replays are large.

    TensorFlow takes no truth values this way (DLPack's type code 6); those are copied.
    """
    if isinstance(value, np.ndarray) and value.ndim and value.dtype != np.bool_:
        return tf.experimental.dlpack.from_dlpack(value.__dlpack__())
    return tf.convert_to_tensor(value)


def read(folder: Path, name: str, target: Any) -> Any:
    """Return the tensor of that name, which is to be assigned to `target`.

    Raises:
        DamagedError: It cannot be read.
    """
    try:
        value, = tf.raw_ops.RestoreV2(
            prefix=str(folder / _PREFIX), tensor_names=[name], shape_and_slices=[""],
            dtypes=[tf.as_dtype(target.dtype)],
        )
    except tf.errors.OpError as error:
        raise DamagedError(f"{folder}: TensorFlow cannot read it: {error.message}") from error
    return value.numpy() if isinstance(target, np.ndarray) else value
