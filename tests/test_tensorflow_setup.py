"""TensorFlow starts without a word, and errors are still heard."""

import os
import subprocess
import sys

import pytest

from erlctl.errors import ErlctlError
from erlctl.tensorflow_setup import check_device, select_device, selected_device

PROGRAM = """
import sys
from erlctl.tensorflow_setup import start_tensorflow

start_tensorflow()
import tensorflow as tf

print(tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1)).numpy())
print("an error", file=sys.stderr)
"""


def test_nothing_but_errors_is_heard_of_a_compiled_program():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "an error\n")

LATE = """
import tensorflow as tf

tf.keras.layers.Dense  # taken here
import erlctl.networks
"""
EARLY = """
import erlctl, tensorflow as tf
import erlctl.networks

print(tf.keras.Model.__module__.partition(".")[0])
"""


def _in_a_notebook(program: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items()
                   if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env=environment, check=False)


def test_importing_erlctl_chooses_keras_2():
    done = _in_a_notebook(EARLY)
    assert done.stdout == "tf_keras\n", done.stderr


def test_keras_3_that_was_taken_before_is_said_with_the_mend():
    done = _in_a_notebook(LATE)
    assert done.returncode == 1
    assert "erlctl.errors.ErlctlError: TensorFlow took Keras 3" in done.stderr
    assert "`import erlctl` before" in done.stderr


@pytest.mark.parametrize(
    ("device", "variables"),
    [(("cpu",), {"CUDA_VISIBLE_DEVICES": "-1"}),
     (("gpu",), {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}),
     (("gpu", "2"), {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "CUDA_VISIBLE_DEVICES": "2"})],
)
def test_a_device_is_a_worker_s_environment(device, variables, monkeypatch):
    chosen = select_device(*device)
    assert variables.items() <= chosen.items()
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert selected_device() == device[0]


def test_training_on_a_gpu_that_tensorflow_does_not_see_is_refused(monkeypatch):
    check_device()
    for name, value in select_device("gpu").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ErlctlError, match=r"sees no GPU.*\n  fix: .*erlctl\[cuda\]"):
        check_device()
