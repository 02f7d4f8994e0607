"""The state of a program that NumPy holds, as one .npz file. No TensorFlow, no pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from erlctl.errors import DamagedError

_FILE = "state.npz"
_HEADER_BYTES = 4096  # of an array in the archive, beside its data


def write(folder: Path, state: Mapping[str, np.ndarray]) -> None:
    """Write arrays by their names.

    Raises:
        OSError: The disk is full or fails.
    """
    np.savez(folder / _FILE, **dict[str, Any](state))


def read(folder: Path, name: str, target: np.ndarray) -> Any:
    """Return the array of that name, which is to be assigned to `target`.

    Raises:
        DamagedError: It cannot be read, or is of another shape or type than the manifest said.
    """
    try:
        with np.load(folder / _FILE, allow_pickle=False) as archive:
            # A compressed array may be of any size; it is not unpacked to find out.
            size = archive.zip.getinfo(f"{name}.npy").file_size
            if size > target.nbytes + _HEADER_BYTES:
                raise ValueError(f"{name} has {size} bytes instead of {target.nbytes}")
            value = archive[name]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{folder / _FILE} cannot be read: {error}") from error
    if (value.shape, value.dtype) != (target.shape, target.dtype):
        raise DamagedError(f"{folder / _FILE}: {name} is {value.dtype} {value.shape}")
    return value
