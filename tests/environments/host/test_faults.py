"""Whatever an environment does wrong, the message names it, the copy, the step and the action."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from erlctl.environments.host.make import make_vector
from erlctl.errors import EnvironmentFault, ErlctlError, UnknownNameError
from erlctl.spec.schema import EnvironmentSection
from tests.environments.host.vectors import play, section, vector

STEP = r"Counter \(copy 0, step 3, action 1\) "
FAULTS = {
    "raise": STEP + "raised ValueError in step: the pole fell off",
    "exit": STEP + "raised SystemExit in step: 3",
    "shape": STEP + r"returned a wrong observation: shape \(3,\) instead of \(4,\)",
    "dtype": STEP + "returned a wrong observation: type <U1 instead of float64",
    "none": STEP + "returned a wrong observation: shape",
    "nan": STEP + "returned an observation that is not finite",
    "huge": STEP + "returned an observation that is not finite",
    "reward": STEP + "returned the reward inf",
    "no_reward": STEP + "returned the reward None, expected a number",
    "hang": STEP + "has not come back from step after 0.5 s",
    "swallow": STEP + "has not come back from step after 0.5 s",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_step_names_where_it_happened(fault):
    environment = vector(fault=fault, timeout=0.5)
    environment.reset(np.array([1, 2]))
    play(environment, 2)
    with pytest.raises(EnvironmentFault, match=FAULTS[fault]):
        play(environment, 1)


@pytest.mark.parametrize("fault", ["raise", "nan"])
def test_a_fault_in_a_process_is_told_alike(fault):
    environment = vector(num_envs=3, fault=fault, vectorise="subprocess", timeout=20)
    environment.reset(np.arange(3))
    play(environment, 2)
    with pytest.raises(EnvironmentFault, match=FAULTS[fault]):
        play(environment, 1)
    environment.close()


@pytest.mark.parametrize(("fault", "message"), [
    ("die", r"\(copy \[0.*\], step \[3.*\], action \[1.*\]\) ended its process with exit code 7"),
    ("hang", STEP + "has not come back from step after 0.5 s"),
    ("deaf", r"\(copy \[0.*\], step \[3.*\], action \[1.*\]\) has not come back after 1.5 s"),
])
def test_a_process_that_dies_or_hangs_is_noticed(fault, message):
    environment = vector(fault=fault, vectorise="subprocess", timeout=0.5)
    environment.reset(np.arange(2))
    with pytest.raises(EnvironmentFault, match=message):
        play(environment, 3)
    environment.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of it")
def test_a_process_that_hangs_in_compiled_code_ends_with_its_parent(repository):
    code = (
        "import numpy as np; from tests.environments.host.vectors import play, vector; "
        "environment = vector(num_envs=1, fault='lock', vectorise='subprocess', timeout=600); "
        "environment.reset(np.arange(1)); play(environment, 3)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=repository, text=True,
                          stderr=subprocess.PIPE) as parent:
        assert any(line == "locked\n" for line in parent.stderr)
        parent.kill()
        parent.communicate(timeout=60)  # the end of stderr: the child held it as well


def test_processes_outlive_the_thread_that_started_them():
    with ThreadPoolExecutor(1) as pool:
        environment = pool.submit(vector, vectorise="subprocess", timeout=20).result()
    environment.reset(np.arange(2))
    assert play(environment, 2)[-1].reward.tolist() == [2.0, 2.0]
    environment.close()


def test_what_an_environment_prints_does_not_disturb_its_process():
    environment = vector(fault="print", vectorise="subprocess", timeout=20)
    environment.reset(np.arange(2))
    assert play(environment, 3)[-1].reward.tolist() == [3.0, 3.0]
    environment.close()


def test_a_fault_in_the_reset_within_a_step_is_told():
    environment = vector(fault="reset", length=2)
    environment.reset(np.array([1, 2]))
    with pytest.raises(EnvironmentFault, match="raised RuntimeError in step: no more episodes"):
        play(environment, 2)


def test_an_environment_that_does_not_close_is_let_be():
    environment = vector(fault="close")
    environment.reset(np.array([1, 2]))
    environment.close()


@pytest.mark.parametrize(("factory", "error", "message"), [
    ("fails_to_start", EnvironmentFault, "cannot be made: OSError: no licence"),
    ("not_an_environment", ErlctlError, "is a int without observation_space"),
    ("nowhere", ErlctlError, "has no attribute 'nowhere'"),
])
def test_an_environment_that_cannot_be_made_is_refused(factory, error, message):
    with pytest.raises(error, match=message):
        vector(factory)


def test_a_wrong_argument_is_refused_with_a_remedy():
    with pytest.raises(EnvironmentFault, match=r"compare environment\.kwargs"):
        vector(lenght=3)


def test_a_missing_module_is_refused_with_a_remedy():
    wrong = EnvironmentSection(id="no_such_module:Thing", backend="python")
    with pytest.raises(ErlctlError, match="run from the folder that holds the module"):
        make_vector(wrong, 1)


@pytest.mark.parametrize("backend", ["gym", "gymnasium", "envpool"])
def test_an_unknown_id_is_answered_with_the_nearest(backend):
    pytest.importorskip(backend)
    wrong = EnvironmentSection(id="CartPol-v1", backend=backend)
    with pytest.raises(UnknownNameError, match="did you mean 'CartPole-v1'"):
        make_vector(wrong, 1)


@pytest.mark.parametrize(("backend", "command"), [
    ("gymnasium", r"pip install 'erlctl\[gymnasium\]'"),
    ("envpool", r"pip install 'erlctl\[envpool\]'"),
])
def test_a_missing_package_is_answered_with_the_command(monkeypatch, backend, command):
    from erlctl.environments.host import backends

    monkeypatch.setattr(backends.util, "find_spec", lambda name: None)
    with pytest.raises(ErlctlError, match=command):
        make_vector(EnvironmentSection(id="CartPole-v1", backend=backend), 1)
    problems = dict(backends.problems(EnvironmentSection(id="CartPole-v1", backend=backend)))
    assert "is" not in problems
    assert backend in problems["backend"]


def test_the_alarm_of_somebody_else_goes_on():
    import signal

    before = signal.getitimer(signal.ITIMER_REAL)
    handler = signal.getsignal(signal.SIGALRM)
    environment = vector()
    environment.reset(np.array([1, 2]))
    play(environment, 1)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert abs(signal.getitimer(signal.ITIMER_REAL)[0] - before[0]) < 5.0


def test_a_python_id_needs_a_module_and_a_factory():
    from erlctl.environments.host import backends

    assert dict(backends.problems(section("a:b"))) == {
        "id": "with backend python it is module:factory, "
              "got 'tests.environments.host.fakes:a:b'",
    }
