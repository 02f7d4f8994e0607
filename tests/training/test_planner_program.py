"""A planner's run through the whole command: no TensorFlow, resumes, is compared and played."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from erlctl.environments.compiled.tables import garnet, grid_world
from erlctl.errors import DamagedError, ErlctlError
from erlctl.launch.process import worker_environment
from erlctl.planning.model import model_of
from erlctl.planning.rollout import rollout
from erlctl.runs import arrays
from erlctl.runs.layout import RunPaths
from erlctl.runs.tables import read_table
from erlctl.spec.load import load_run
from erlctl.spec.schema import EnvironmentSection, RunSpec
from erlctl.training.planner_program import PlannerProgram
from tests.oracles import tabular

SPEC = """
name: plan
environment: {id: Garnet}
agent: {algorithm: munchausen_vi, gamma: 0.9, errors: {type: gaussian, standard_deviation: 0.01}}
training: {steps: 200}
evaluation: {every: 50, episodes: 3}
logging: {every: 10}
checkpoint: {every: 50}
"""
# Whoever imports TensorFlow, in any process, leaves a mark.
TRAP = "open(__file__ + '.touched', 'w').close()\nraise ImportError('not wanted here')\n"


@pytest.fixture
def erlctl(tmp_path):
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("tensorflow", "tf_agents"):
        (trap / f"{name}.py").write_text(TRAP)
    path = os.pathsep.join([str(trap), worker_environment().get("PYTHONPATH", "")])

    def run(*arguments):
        process = subprocess.run(
            [sys.executable, "-m", "erlctl", *arguments], cwd=tmp_path, text=True,
            capture_output=True, env={**os.environ, "PYTHONPATH": path}, check=False, timeout=120)
        assert process.returncode == 0, process.stderr
        assert not list(trap.glob("*.touched")), process.stderr
        return process.stdout

    (tmp_path / "spec.yaml").write_text(SPEC)
    return run


def test_a_planner_trains_resumes_and_is_compared_without_tensorflow(erlctl, tmp_path):
    name = "plan/munchausen_vi/seed-0"
    erlctl("train", "spec.yaml", "--set", "training.steps=100", "--runs-dir", "a")
    erlctl("train", "spec.yaml", "--runs-dir", "a")  # extends
    erlctl("train", "spec.yaml", "--runs-dir", "b")
    first, second = (RunPaths(tmp_path / each / name) for each in "ab")
    for paths in (first, second):
        facts = json.loads(paths.run_json.read_text())
        assert (facts["status"], facts["step_unit"]) == ("complete", "iterations")
    state = "state.npz"
    assert (first.checkpoint(200) / state).read_bytes() == (
        second.checkpoint(200) / state).read_bytes()
    tables = [read_table(paths.progress).columns for paths in (first, second)]
    for column in ("step", "suboptimality_sup", "suboptimality_l1", "kl", "preference_max"):
        np.testing.assert_array_equal(tables[0][column], tables[1][column])
    assert tables[0]["suboptimality_sup"][-1] < 0.1 < tables[0]["suboptimality_sup"][0] + 0.1
    assert (first.policy / "policy.npz").is_file()
    compared = json.loads(erlctl(
        "compare", "a", "--metric", "suboptimality_sup", "--format", "json"))
    assert compared
    erlctl("plot", "a", "--metric", "suboptimality_sup", "-o", "figure.png")


def test_eval_plays_a_planners_checkpoint(tmp_path, monkeypatch):
    from erlctl.events import Outcome
    from erlctl.experiment import load_all
    from erlctl.runs.evaluate import Player
    from erlctl.runs.execute import execute
    from erlctl.training.factory import make_program

    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)
    (run,) = load_all(["spec.yaml"])[0].runs
    assert execute(run, tmp_path, program_for=make_program) == Outcome("complete", 200)
    played = Player(make_program).play(
        RunPaths.of(tmp_path, run), 150, episodes=40, policy="greedy", seed=3)
    assert (played.step, played.returns.shape) == (150, (40,))
    program = make_program(run)
    program.advance(150)
    np.testing.assert_array_equal(program.evaluate(40, seed=3, policy="greedy")[0], played.returns)


@pytest.mark.parametrize("table", [garnet(seed=2), grid_world(size=4)], ids=["garnet", "grid"])
def test_rollouts_have_the_expected_return_and_length(table):
    """Against the exact expectation over the first 30 steps."""
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(4), table.num_states)
    policy[:, -1] = 0.0  # never taken, however the sums are rounded
    policy /= policy.sum(-1, keepdims=True)
    alive, reward, length = table.start.copy(), 0.0, 0.0
    for _ in range(30):
        reward += alive @ (policy * table.rewards).sum(-1)
        length += alive.sum()
        alive = np.einsum("s,sa,sat->t", alive, policy, table.transitions) * ~table.terminal
    returns, lengths = rollout(
        model_of([table], 0.9), policy, rng, 20_000, time_limit=30, reward_noise=0.5)
    assert abs(returns.mean() - reward) < 5 * returns.std() / np.sqrt(len(returns))
    assert abs(lengths.mean() - length) < 5 * lengths.std() / np.sqrt(len(lengths)) + 1e-9
    assert lengths.max() == 30


def test_the_exact_planner_finds_the_optimum_of_the_reference():
    from erlctl.algorithms.planners import ValueIteration

    program = PlannerProgram(RunSpec(
        name="x", variant="x", seed=0, agent=ValueIteration(gamma=0.9),
        environment=EnvironmentSection(id="Garnet")))
    program.advance(500)
    total, _, _ = tabular.GARNET_CHECKSUMS
    assert program.state()["agent/q"].sum() == pytest.approx(total, abs=1e-8)
    assert program.interval_metrics()["suboptimality_sup"] < 1e-12


def test_a_program_without_a_table_and_a_film_are_refused():
    from erlctl.algorithms.planners import Cvi

    def run(name):
        return RunSpec(name="x", variant="x", seed=0, agent=Cvi(),
                       environment=EnvironmentSection(id=name))

    with pytest.raises(ErlctlError, match="`algorithm: cvi`"):
        PlannerProgram(run("CartPole-v1"))
    with pytest.raises(ErlctlError, match="not drawn"):
        PlannerProgram(run("Chain")).film(1, seed=0, policy="greedy")


@pytest.mark.parametrize(("stored", "says"), [
    (np.zeros(10**6), "bytes instead of"), (np.zeros(3, np.float32), "float32"),
    (np.array([{}, {}, {}], object), "allow_pickle"), (None, "cannot be read"),
])
def test_an_archive_that_is_not_what_its_manifest_says_is_damaged(tmp_path, stored, says):
    np.savez_compressed(tmp_path / "state.npz", **({} if stored is None else {"x": stored}))
    with pytest.raises(DamagedError, match=says):
        arrays.read(tmp_path, "x", np.zeros(3))


ACT = """
import sys
import numpy as np
import erlctl

table = np.load("a/plan/munchausen_vi/seed-0/policy/policy.npz")["preferences"]
states, actions = table.shape
policy = erlctl.load_policy("a/plan/munchausen_vi/seed-0", "latest", seed=3)
assert (policy.step, policy.num_actions) == (200, actions)
if "index" in sys.argv:
    observations, shape, one = np.arange(states), (), states - 1
else:
    observations, shape, one = np.eye(states), (states,), np.eye(states)[-1]
assert policy.observation_shape == shape, policy
greedy = policy(observations)
assert greedy.dtype == np.int32 and (greedy == table.argmax(-1)).all()
assert policy(one) == greedy[-1] and type(policy(one)) is int
many = np.repeat(observations[:1], 4000, axis=0)
drawn = policy(many, deterministic=False)
print(*np.bincount(drawn, minlength=actions) / 4000)
again = erlctl.load_policy("a/plan/munchausen_vi/seed-0", "latest", seed=3)
assert (again(many, deterministic=False) == drawn).all()
"""


@pytest.mark.parametrize("observation", ["one_hot", "index"])
def test_a_planner_is_played_and_acts_without_tensorflow(erlctl, tmp_path, observation):
    """`erlctl` fails if anything asks for TensorFlow; so does what acts in Python."""
    spec = SPEC.replace("munchausen_vi,", "munchausen_vi, temperature: 0.5, alpha: 0.5,")
    spec = spec.replace("{id: Garnet}", f"{{id: Garnet, kwargs: {{observation: {observation}}}}}")
    (tmp_path / "spec.yaml").write_text(spec)
    erlctl("train", "spec.yaml", "--runs-dir", "a")
    (row,) = json.loads(erlctl("eval", "a", "--episodes", "7", "--format", "json"))["evaluations"]
    assert (row["step"], row["episodes"]) == (200, 7)
    path = os.pathsep.join([str(tmp_path / "trap"), worker_environment().get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ACT, observation], cwd=tmp_path, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "trap").glob("*.touched"))
    shares = np.array(done.stdout.split(), float)
    program = PlannerProgram(load_run(tmp_path / "a/plan/munchausen_vi/seed-0/spec.yaml"))
    program.advance(200)
    probabilities = np.exp(program._state()["log_policy"][0, 0])
    np.testing.assert_allclose(shares, probabilities, atol=0.04)
    assert shares.max() < 0.97  # a draw, not the greedy action
