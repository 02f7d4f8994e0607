"""Runs on fixed features: landmarks come from the replay once, wherever chunks are cut."""

import dataclasses

import numpy as np
import pytest

from erlctl.options.networks import Features
from erlctl.training.factory import make_program
from tests.contract.cases import small_run
from tests.training.build import declare
from tests.training.runs import host_run
from tests.training.seeded import seeded
from tests.training.test_host_program import assert_same, copied, restore

NYSTROEM = Features(features="nystroem", count=10)
FORMS = [
    NYSTROEM, Features(features="fourier", count=16), Features(features="fastfood", count=16),
    Features(features="rbf_grid", points=2),
]


def compiled(features, algorithm="dpp", **kwargs):
    return dataclasses.replace(small_run(declare(algorithm), **kwargs), network=features)


@pytest.mark.parametrize("features", FORMS, ids=lambda features: features.features)
def test_a_run_goes_on_bit_exactly_wherever_it_is_cut(features):
    first = make_program(compiled(features))
    assert first.advance(100).updates == 80
    state = copied(first)
    second = make_program(compiled(features, seed=7))
    second.start(seeded(second.run, 0))
    for steps in (7, 13, 1, 39):
        second.advance(steps)
    middle = copied(second)
    third = make_program(compiled(features, seed=9))
    restore(third, middle)
    third.advance(40)
    assert_same(copied(third), state)


def test_a_dictionary_that_grows_goes_on_bit_exactly():
    features = Features(features="ald", count=12, novelty=0.01)

    def make(seed=0):
        return make_program(compiled(features, "kernel_dpp", seed=seed, mode="graph"))

    first = make()
    first.advance(25)
    early = int(first.agent._dictionary.size)
    first.advance(35)
    state = copied(first)
    assert 0 < early < int(first.agent._dictionary.size) <= 12
    second = make(9)
    second.start(seeded(second.run, 0))
    for steps in (7, 15, 3):
        second.advance(steps)
    third = make(5)
    restore(third, copied(second))
    third.advance(35)
    assert_same(copied(third), state)


def nystroem_layers(program):
    return program.agent._adaptive


def test_landmarks_are_different_observations_of_before_the_first_update():
    program = make_program(compiled(NYSTROEM))
    program.advance(20)
    assert not program.agent.is_adapted
    assert program.updates == 0
    seen = program.state()["replay/observation"].numpy()[:20]
    chunk = program.advance(1)
    assert (chunk.updates, program.agent.is_adapted) == (1, True)
    (layer,) = nystroem_layers(program)
    landmarks = layer.landmarks.numpy()
    assert len(np.unique(landmarks, axis=0)) == 10
    assert {row.tobytes() for row in landmarks} <= {row.tobytes() for row in seen}
    names = [name for name in program.state() if name.startswith("agent/target_q/")]
    for name in names[-2:]:
        online = name.replace("target_q", "weights/q")
        np.testing.assert_array_equal(program.state()[name], program.state()[online])
    program.advance(50)
    np.testing.assert_array_equal(layer.landmarks, landmarks)


def test_seeds_have_landmarks_of_their_own_and_several_networks_share_the_observations():
    found = []
    for seed in (0, 1):
        program = make_program(compiled(NYSTROEM, "momentum_dqn", seed=seed))
        program.advance(30)
        layers = nystroem_layers(program)
        assert len(layers) == 2
        np.testing.assert_array_equal(layers[0].landmarks, layers[1].landmarks)
        found.append(layers[0].landmarks.numpy())
    assert (found[0] != found[1]).any()


def test_an_interval_across_the_choice_tells_of_all_its_episodes():
    cut, whole = (make_program(compiled(NYSTROEM, learning_starts=60)) for _ in range(2))
    chunks = [cut.advance(60), cut.advance(60)]
    episodes = whole.advance(120).episodes
    for name in ("steps", "returns", "lengths"):
        parts = [getattr(chunk.episodes, name) for chunk in chunks]
        np.testing.assert_array_equal(getattr(episodes, name), np.concatenate(parts))
    assert len(episodes.steps) > 2
    assert episodes.steps[0] <= 60 < episodes.steps[-1]


def test_soft_synchronisation_does_not_blur_what_is_not_trained():
    program = make_program(compiled(FORMS[2], target_update_polyak=0.3))
    program.advance(60)
    state = program.state()
    names = [name for name in state if name.startswith("agent/weights/q/")]
    equal = [np.array_equal(state[name], state[name.replace("weights/q", "target_q")])
             for name in names]
    fixed = [not variable.trainable for variable in (state[name] for name in names)]
    assert equal == fixed
    assert sum(fixed) == 4


@pytest.mark.parametrize("wrappers", [{}, {"normalise_observations": True}])
def test_host_runs_choose_landmarks_as_agents_see_them(wrappers):
    run = host_run(wrappers=wrappers, seed=3)
    states = []
    for cuts in ((60,), (40, 1, 19)):
        program = make_program(dataclasses.replace(run, network=NYSTROEM))
        for steps in cuts:
            program.advance(steps)
        assert program.updates == 20
        states.append({n: np.array(program.state()[n]) for n in program.weights_names})
        program.close()
    assert_same(*states)
