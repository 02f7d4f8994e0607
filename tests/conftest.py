"""What every test shares: one-thread TensorFlow, deterministic hypothesis, a runs directory."""

import os
from pathlib import Path

import hypothesis
import pytest

from erlctl.tensorflow_setup import settings

# Read by TensorFlow when it is imported, so set before any test module is: the bits of a worker.
os.environ.update(settings(os.environ))
os.environ.update(
    CUDA_VISIBLE_DEVICES="-1", MPLBACKEND="Agg", NO_COLOR="1", ERLCTL_XLA_CACHE="off"
)

# Chooses Keras 2 before a test module imports TensorFlow.
from erlctl.environments.host.packages import revive_numpy_names

revive_numpy_names()  # the oracles step gym's environments themselves

# The same examples on every machine; timing says nothing when TensorFlow compiles on first use.
hypothesis.settings.register_profile(
    "default", derandomize=True, deadline=None, database=None, max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("default"), derandomize=False, max_examples=1000
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Return a runs directory that does not exist yet."""
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]
