"""Factorial DPP as runs: what twenty joints cost."""

import dataclasses
import time

import pytest

from erlctl.options.networks import Mlp
from erlctl.training.factory import make_program
from tests.contract.cases import small_run
from tests.training.build import declare


@pytest.mark.slow
def test_an_update_of_twenty_joints_takes_at_most_six_times_that_of_two():
    seconds = []
    for num_joints in (2, 20):
        run = small_run(declare("factorial_dpp"), batch_size=64)
        environment = dataclasses.replace(run.environment, kwargs={"num_joints": num_joints})
        program = make_program(dataclasses.replace(
            run, network=Mlp(hidden=(64, 64)), environment=environment
        ))
        program.advance(100)  # compiles
        rates = []
        for _ in range(10):
            began = time.process_time()
            program.advance(300)
            rates.append((time.process_time() - began) / 300)
        seconds.append(min(rates))
    assert seconds[1] <= 6 * seconds[0], seconds
