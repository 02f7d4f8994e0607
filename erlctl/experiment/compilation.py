"""XLA or graph mode: chosen by measurement (CPU, one thread), overridden by `training.compile`.

XLA wins by a multiple where the arithmetic of an update is small beside the cost of starting
operations; oneDNN's kernels in graph mode win for convolutions and for wide SAC networks. The
figures are of one thread each; `make bench` takes them again.
"""

from __future__ import annotations

from typing import Literal

from erlctl.options.networks import Conv
from erlctl.spec.schema import RunSpec

# SAC's networks of 256 units (batch 256): graph 227 updates/s, XLA 202; of 64 units: 1,361, 1,765.
_WIDE_UNITS = 192


def choose(run: RunSpec) -> Literal["xla", "graph"]:
    """Return how `compile: auto` compiles the run's program."""
    # iqn on MinAtar's images: graph 7.6 updates/s, XLA 5.1.
    is_quantile = run.agent.base == "quantile"
    if isinstance(run.network, Conv) and (run.environment.backend != "compiled" or is_quantile):
        # Nature's network on 84 x 84 images: graph 51 updates/s, XLA 22 (TensorFlow 2.15).
        # MinAtar's on 10 x 10: XLA 1,198 and graph 892 for dqn, 916 and 776 for munchausen_dqn,
        # 964 and 786 for cvi, 944 and 764 for dpp (TensorFlow 2.20, an Intel Xeon with AVX-512).
        return "graph"
    if run.agent.base == "kernel":
        # A Cholesky factor of 256 features and two actions: graph 1.4 ms, XLA 64 ms.
        return "graph"
    hidden = getattr(run.network, "hidden", ())
    is_sac = run.agent.base == "sac"
    return "graph" if is_sac and max(hidden, default=0) >= _WIDE_UNITS else "xla"
