"""Import the heavy packages and compile a tiny program, in a process that may die of it.

`python -m erlctl.doctor.probe` prints one JSON object: per check null, or what went wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from erlctl.tensorflow_setup import check_keras


def _xla() -> dict[str, Any]:
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def square(x: Any) -> Any:
        return tf.reduce_sum(x * x)

    started = time.monotonic()
    result = float(square(tf.constant([3.0, 4.0])))
    if result != 25.0:
        raise ArithmeticError(f"3^2 + 4^2 compiled to {result}, not 25")
    return {"seconds": round(time.monotonic() - started, 2), "tensorflow": tf.__version__}


def _device() -> dict[str, Any]:
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
            for gpu in tf.config.list_physical_devices("GPU")]
    others = f"{', '.join(gpus)} with --device gpu" if gpus else "TensorFlow sees no GPU"
    return {"version": f"CPU ({others})"}


def _keras() -> dict[str, Any]:
    import tf_keras

    check_keras()
    return {"version": tf_keras.__version__}


def _tf_agents() -> dict[str, Any]:
    import tf_agents
    from tf_agents.agents.dqn import dqn_agent  # noqa: F401 - what we build on
    from tf_agents.policies import policy_saver  # noqa: F401

    return {"version": tf_agents.__version__}


CHECKS: dict[str, Callable[[], dict[str, Any]]] = {
    "xla": _xla, "device": _device, "keras": _keras, "tf_agents": _tf_agents,
}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def main() -> None:
    """Run every check and print what came of it."""
    report: dict[str, dict[str, Any]] = {}
    for name, check in CHECKS.items():
        try:
            report[name] = check()
        except Exception as error:  # noqa: BLE001 - the report is the answer
            report[name] = {"error": f"{type(error).__name__}: {_first_line(error)}"}
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
