"""How often the program learns, and what it does where it cannot go on."""

import dataclasses

import numpy as np
import pytest

from erlctl.errors import ErlctlError
from erlctl.options.optimizers import Sgd
from erlctl.training import loop
from erlctl.training.factory import make_program
from tests.contract.cases import small_run
from tests.training.build import declare, make_run
from tests.training.seeded import seeded
from tests.training.test_loop import Notes


@pytest.mark.parametrize(("num_envs", "train_every", "updates"), [(1, 3, 2), (4, 1, 1), (4, 3, 2)])
def test_updates_are_as_many_as_the_spec_says(num_envs, train_every, updates):
    run = make_run(
        num_envs=num_envs, train_every=train_every, updates=updates, mode="graph"
    )
    program = make_program(run)
    chunk = program.advance(200)
    due = [t for t in range(1, 200 // num_envs + 1) if t * num_envs > 20 and t % train_every == 0]
    assert chunk.step == 200
    assert chunk.updates == updates * len(due)
    assert (chunk.episodes.steps % num_envs == 0).all()
    assert (np.diff(chunk.episodes.steps) >= 0).all()
    assert chunk.episodes.lengths.sum() + program.state()["running/length"].numpy().sum() == 200


@pytest.mark.parametrize("learning_starts", [0, 1, 2])
def test_no_update_reads_rows_that_were_never_written(learning_starts):
    """With n-step returns the first whole return needs n rows."""
    algorithm = declare("dqn", n_step=4)
    program = make_program(
        make_run(algorithm=algorithm, learning_starts=learning_starts, mode="graph")
    )
    assert program.advance(3).updates == 0
    assert program.advance(2).updates == 2


@pytest.mark.parametrize("mode", ["xla", "graph"])
@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_a_loss_that_is_not_finite_is_noticed(name, mode):
    """In graph mode upstream's own check stops the program; it is the same to the caller."""
    run = dataclasses.replace(
        small_run(declare(name), mode=mode), optimizer=Sgd(learning_rate=1e30)
    )
    program = make_program(run)
    assert program.advance(20).diverged_at is None
    chunk = program.advance(100)
    assert 20 < chunk.diverged_at <= 120
    program.start(seeded(program.run, 0))
    notes = Notes()
    assert loop.train(program, run, notes).status == "diverged"
    assert notes.events == []


def test_actions_of_another_kind_are_refused():
    run = small_run(declare("sac"))
    environment = dataclasses.replace(run.environment, id="CartPole-v1")
    with pytest.raises(ErlctlError, match="sac needs continuous actions; CartPole-v1 has discrete"):
        make_program(dataclasses.replace(run, environment=environment))
