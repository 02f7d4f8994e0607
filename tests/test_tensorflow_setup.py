"""TensorFlow starts without a word, and errors are still heard."""

import subprocess
import sys

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
