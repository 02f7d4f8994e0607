"""Implicit quantile networks (Dabney et al. 2018, ICML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from erlctl.algorithms.base import Backup
from erlctl.algorithms.quantile import QuantileAlgorithm
from erlctl.registry import register


@register("algorithm", "iqn")
@dataclass(frozen=True, kw_only=True)
class Iqn(QuantileAlgorithm):
    """Quantiles of the return; the policies read their mean."""

    summary: ClassVar[str] = "quantiles of the return, greedy on their mean"
    equation: ClassVar[str] = (
        "z_i = r + gamma * discount * z(s', argmax_a q(s', a); sigma_i),\n"
        "  q = mean of the K quantiles at the fixed fractions (k - 1/2) / K\n"
        "loss = sum_j mean_i |sigma_j - 1{u_ij < 0}| * huber_kappa(u_ij) / kappa,\n"
        "  u_ij = z_i - z(s, a; sigma_j)"
    )
    source: ClassVar[str] = "Dabney, Ostrovski, Silver, Munos 2018, ICML, arXiv:1806.06923"
    relations: ClassVar[tuple[str, ...]] = (
        "munchausen_iqn with alpha = 0 and temperature -> 0", "dqn on the mean of the quantiles",
    )

    def backup(self) -> Backup:
        """Return the unregularised target."""
        return Backup()
