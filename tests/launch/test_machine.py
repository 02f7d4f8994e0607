"""How many workers a machine or a container can take."""

from __future__ import annotations

import os

import pytest

from erlctl.errors import ErlctlError
from erlctl.launch.machine import gpus, require_gpus, usable_cores


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


@pytest.mark.parametrize(
    ("files", "visible", "expected"),
    [([], None, []), (["nvidia0", "nvidia1", "nvidia10", "nvidiactl"], None, ["0", "1", "10"]),
     (["dxg"], None, ["0"]), (["nvidia0"], "-1", []), (["nvidia0"], "", []),
     (["nvidia0", "nvidia1"], "1", ["1"]), ([], "GPU-8a, 3,-1,0", ["GPU-8a", "3"])],
)
def test_gpus_are_those_of_the_kernel_that_cuda_may_use(tmp_path, files, visible, expected):
    for name in files:
        (tmp_path / name).touch()
    variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpus(tmp_path, variables) == expected


def test_no_gpu_is_one_line_with_the_reason(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ErlctlError, match=r"no NVIDIA GPU here \(CUDA_VISIBLE_DEVICES names none"):
        require_gpus()
