"""How TensorFlow is started: threads, log level, without its chatter; before it is imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Literal

from erlctl.errors import ErlctlError

Device = Literal["cpu", "gpu"]
DEVICES: tuple[Device, ...] = ("cpu", "gpu")
_DEVICE = "_ERLCTL_DEVICE"  # of a worker's environment: the device that was asked for

# One thread for each operation: a pool of them makes small programs four times slower.
SETTINGS = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # XLA's older CPU runtime: one function for a whole program and oneDNN's matrix products, where
    # the newer one starts every loop by itself. Steps/s of DQN with TensorFlow 2.20 on an AMD EPYC:
    # 64-64 units 20,500 and 15,600; 128-128 3,990 and 3,530; 256-256 1,180 and 1,020.
    "XLA_FLAGS": "--xla_cpu_use_thunk_runtime=false",
}


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `SETTINGS`, with the flags for XLA that `environment` has behind ours, which they win.

    Bits depend on XLA's flags, so everything that trains or plays takes them from here.
    """
    own = environment.get("XLA_FLAGS", "").replace(SETTINGS["XLA_FLAGS"], "").strip()
    return {**SETTINGS, "XLA_FLAGS": f"{SETTINGS['XLA_FLAGS']} {own}".strip()}


def use_legacy_keras() -> None:
    """Choose Keras 2 for TensorFlow, which TF-Agents is written on; cheap, imports nothing.

    TensorFlow reads the variable when `tf.keras` is first used; `import erlctl` calls this.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"


def check_keras() -> None:
    """Refuse to go on in a process that took Keras 3 before erlctl was imported.

    Raises:
        ErlctlError: With what to do.
    """
    model = importlib.import_module("tensorflow").keras.Model
    if not model.__module__.startswith("tf_keras."):
        raise ErlctlError(
            "TensorFlow took Keras 3 in this process before erlctl was imported; TF-Agents needs "
            "Keras 2 (the package tf_keras)",
            fix="start Python again and `import erlctl` before TensorFlow or Keras is used, or set "
                "TF_USE_LEGACY_KERAS=1",
        )


def select_device(device: Device, gpu: str | None = None) -> dict[str, str]:
    """Return what a worker's environment must say for it to train on a device.

    Args:
        device: Which kind.
        gpu: The only GPU that it may use, as CUDA names it; None leaves that to the environment.
    """
    if device == "cpu":
        return {_DEVICE: device, "CUDA_VISIBLE_DEVICES": "-1"}
    only = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    # Without growth the first worker would take all memory of the GPU.
    return {_DEVICE: device, "TF_FORCE_GPU_ALLOW_GROWTH": "true", **only}


def selected_device() -> str:
    """Return the device that this process was started for."""
    return os.environ.get(_DEVICE, "cpu")


def check_device() -> None:
    """Refuse to train on the CPU where a GPU was asked for.

    Raises:
        ErlctlError: TensorFlow has no GPU in this process.
    """
    if selected_device() == "gpu" \
            and not importlib.import_module("tensorflow").config.list_physical_devices("GPU"):
        raise ErlctlError(
            "TensorFlow sees no GPU in this process",
            fix="install its CUDA libraries with pip install 'erlctl[cuda]' (`erlctl doctor` shows "
                "the device), or train with --device cpu",
        )


def quieten_tensorflow() -> None:
    """Set TensorFlow's environment as a worker has it and silence banners of its libraries."""
    os.environ.update({
        name: value for name, value in settings(os.environ).items()
        if name == "XLA_FLAGS" or name not in os.environ
    })
    # gym prints a notice about gymnasium whenever it is imported.
    importlib.import_module("gym_notices.notices").notices.clear()
    importlib.import_module("absl.logging").set_verbosity("error")


def start_tensorflow() -> None:
    """Import TensorFlow as above, without the notices that no setting silences."""
    quieten_tensorflow()
    with _unheard():  # TensorFlow talks before it has read the log level
        tf = importlib.import_module("tensorflow")
        tf.function(lambda: tf.zeros(()), jit_compile=True, autograph=False)()
    check_keras()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Send what C++ writes to stderr nowhere."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
