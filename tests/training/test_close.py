"""Programs name their figures, resolve `auto` at the factory and free what they hold."""

import dataclasses
import gc
import weakref

import pytest

from erlctl.environments.host.inline import InlineVector
from erlctl.training.factory import make_program
from tests.agents.cases import EVERY_ALGORITHM
from tests.contract.cases import small_run
from tests.training.build import make_run
from tests.training.runs import host_run


@pytest.mark.parametrize("run", [make_run(mode="graph"), host_run()], ids=["compiled", "host"])
def test_every_figure_of_a_program_has_a_declared_name(run):
    program = make_program(run)
    program.advance(60)
    program.take_diagnostics()
    figures = set(program.interval_metrics())
    program.close()
    assert {"loss", "entropy", "epsilon"} <= figures <= set(program.metric_names)


def test_the_factory_resolves_auto():
    run = make_run(mode="graph")
    training = dataclasses.replace(run.training, compile="auto")
    program = make_program(dataclasses.replace(run, training=training))
    assert program.run.environment.backend == "compiled"
    assert program.run.training.compile == "xla"


def test_closing_ends_the_environments_of_training_and_of_evaluation(monkeypatch):
    closed = []
    monkeypatch.setattr(InlineVector, "close", lambda self: closed.append(self.num_envs))
    program = make_program(host_run({"num_envs": 2}))
    program.evaluate(3)
    program.close()
    assert sorted(closed) == [2, 3]


@pytest.mark.parametrize("name", ["dqn", "sac", "dual_averaging_vi"])
@pytest.mark.parametrize("mode", ["xla", "graph"])
def test_a_program_that_is_dropped_leaves_no_graph_behind(name, mode):
    """Its captured variables, the replay among them, would stay with the graph."""
    run = small_run(EVERY_ALGORITHM[name], mode=mode)
    program = make_program(run)
    graphs = [weakref.ref(program._advance.get_concrete_function().graph),
              weakref.ref(program._diagnose.get_concrete_function().graph)]
    program.close()
    del program
    gc.collect()
    assert [graph() for graph in graphs] == [None, None]
