"""XLA or graph mode: chosen by measurement (CPU, one thread), overridden by `training.compile`.

XLA wins by an order of magnitude where the arithmetic of an update is small beside the cost of
starting operations; oneDNN's kernels in graph mode win for large convolutions and for wide SAC
networks. Figures: design notes in README and `make bench`.
"""

from __future__ import annotations

from erlctl.options.networks import Conv
from erlctl.spec.schema import RunSpec

# SAC's five networks of 256 units: graph 234 updates/s, XLA 132 (batch 256); 64 units: 976, 1,100.
_WIDE_UNITS = 192
# The Nature network (84x84 images) in XLA: 1 update/s, in graph mode 39; MinAtar's (10x10): equal.
_LARGE_KERNEL = 8


def use_xla(run: RunSpec) -> bool:
    """Return whether the run's program is compiled by XLA."""
    if run.training.compile != "auto":
        return run.training.compile == "xla"
    if isinstance(run.network, Conv):
        return max(run.network.kernels) < _LARGE_KERNEL
    hidden = getattr(run.network, "hidden", ())
    is_sac = run.agent.base == "sac"
    return not (is_sac and max(hidden, default=0) >= _WIDE_UNITS)
