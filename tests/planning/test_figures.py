"""Every figure of planning is drawn by one command, whose check holds."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "figures" / "planning.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "preference_growth", "leverage_the_average", "noise_and_operator", "momentum", "action_gap",
    "maze",
])
def test_figure_is_drawn_and_its_claims_hold(name, tmp_path):
    picture = tmp_path / "figure.png"
    done = subprocess.run([sys.executable, SCRIPT, name, "-o", picture], capture_output=True,
                          text=True, check=False, timeout=300, cwd=SCRIPT.parents[2],
                          env={"PYTHONPATH": str(SCRIPT.parents[2]), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert picture.stat().st_size > 10_000
