"""TF-Agents agents of the regularised family; `AGENTS` maps an algorithm's base to its class."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erlctl.agents.base import Agent
    from erlctl.agents.context import AgentContext

AGENTS: Mapping[str, tuple[str, str]] = {
    "regularised_dqn": ("value", "ValueAgent"),
    "factorial": ("factorial", "FactorialAgent"),
    "kernel": ("kernel", "KernelAgent"),
    "quantile": ("quantile", "QuantileAgent"),
    "companion": ("companion", "CompanionAgent"),
    "actor_critic_discrete": ("actor_critic", "DiscreteActorCriticAgent"),
    "sac": ("continuous", "ContinuousActorCriticAgent"),
}


def build_agent(context: AgentContext) -> Agent:
    """Return the agent that `context.algorithm` declares; its module is imported on use."""
    module, name = AGENTS[context.algorithm.base]
    agent: Agent = getattr(importlib.import_module(f"{__name__}.{module}"), name)(context)
    return agent
