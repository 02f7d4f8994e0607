"""The parent of a batch and the listing commands stay without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from erlctl.launch.process import worker_environment


@pytest.mark.parametrize(
    "module",
    ["erlctl.launch.pool", "erlctl.launch.display", "erlctl.doctor.checks",
     "erlctl.launch.launchers.ray", "erlctl.launch.actors", "erlctl.launch.node",
     "erlctl.runs.summary", "erlctl.runs.estimate", "erlctl.launch.worker",
     "erlctl.cli.train", "erlctl.cli.ls", "erlctl.cli.show", "erlctl.cli.doctor",
     "erlctl.cli.fsck"],
)
def test_importing_it_does_not_import_tensorflow(module):
    script = f"import sys, {module}; sys.exit(any(m.startswith('tensorflow') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], env=worker_environment(), check=False)
    assert done.returncode == 0
