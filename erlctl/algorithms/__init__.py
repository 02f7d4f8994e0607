"""Declarations of algorithms, one file each, and what a new one is written with.

    from erlctl.algorithms import Backup, ValueAlgorithm, option, register

`erlctl.registry` finds them.
"""

from erlctl.algorithms.base import Algorithm, Backup, ValueAlgorithm
from erlctl.fields import option
from erlctl.registry import register

__all__ = ["Algorithm", "Backup", "ValueAlgorithm", "option", "register"]
