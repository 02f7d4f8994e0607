"""TF-Agents agents of the regularised family; `AGENT_BASES` maps a base to its module."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erlctl.agents.base import AgentContext, TrainableAgent

AGENT_BASES: Mapping[str, str] = {
    "regularised_dqn": "erlctl.agents.regularised_dqn",
    "quantile": "erlctl.agents.quantile",
    "companion": "erlctl.agents.companion",
    "actor_critic_discrete": "erlctl.agents.actor_critic",
    "sac": "erlctl.agents.munchausen_sac",
}


def build_agent(context: AgentContext) -> TrainableAgent:
    """Return the agent that `context.algorithm` declares; its module is imported on use."""
    module = importlib.import_module(AGENT_BASES[context.algorithm.agent_base])
    agent: TrainableAgent = module.build(context)
    return agent
