"""XLA or graph mode: chosen by measurement (CPU, one thread), overridden by `training.compile`.

XLA wins by a multiple where the arithmetic of an update is small beside the cost of starting
operations, and by a tenth or two elsewhere; oneDNN's kernels in graph mode win for convolutions of
large images. The figures are of one thread each; `make bench` takes them again.
"""

from __future__ import annotations

from typing import Literal

from erlctl.options.networks import Conv
from erlctl.spec.schema import RunSpec


def choose(run: RunSpec) -> Literal["xla", "graph"]:
    """Return how `compile: auto` compiles the run's program.

    Updates/s with TensorFlow 2.20 on an Intel Xeon with AVX-512, XLA and graph: dqn with MinAtar's
    network 1,198 and 892, munchausen_dqn 916 and 776, cvi 964 and 786, dpp 944 and 764,
    sac_discrete 358 and 327; sac of 256 units (batch 256) 230 and 199, of 400 and 300 units 119 and
    112, of 512 units 58 and 58.
    """
    if run.agent.base == "kernel":
        # A Cholesky factor of 256 features and two actions: graph 1.4 ms, XLA 64 ms.
        return "graph"
    if not isinstance(run.network, Conv):
        return "xla"
    # Nature's network on 84 x 84 images: graph 34 updates/s, XLA 11. iqn with MinAtar's
    # network: 7.6 and 5.1.
    is_large = run.environment.backend != "compiled" or run.agent.base == "quantile"
    return "graph" if is_large else "xla"
