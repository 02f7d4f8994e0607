"""How many workers a machine or a container can take."""

from __future__ import annotations

import os

import pytest

from erlctl.launch.machine import usable_cores


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None), ("x y z", None),
     ("100 0", None)],
)
def test_a_container_quota_limits_the_cores(tmp_path, cpu_max, expected):
    (tmp_path / "cpu.max").write_text(cpu_max)
    assert usable_cores(tmp_path) == (expected or len(os.sched_getaffinity(0)))


def test_without_a_quota_the_affinity_counts(tmp_path):
    assert usable_cores(tmp_path) == len(os.sched_getaffinity(0))
