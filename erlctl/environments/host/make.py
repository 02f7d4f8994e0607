"""Environment sections -> vectors of environments; imports the backend's package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from erlctl.environments.host import backends, packages
from erlctl.environments.host.base import VectorEnvironment
from erlctl.environments.host.inline import InlineVector
from erlctl.environments.host.single import Single, accepts, adapt
from erlctl.environments.host.task import Limited, Repeated, StickyVector
from erlctl.errors import EnvironmentFault, ErlctlError
from erlctl.options.wrappers import Wrappers
from erlctl.spec.schema import EnvironmentSection


def make_vector(
    section: EnvironmentSection, num_envs: int, *, draws: bool = False
) -> VectorEnvironment:
    """Return `num_envs` environments with the wrappers that change the task.

    Args:
        section: Which, and how.
        num_envs: N, whatever the section says.
        draws: Whether `render` will be asked for; some environments must know when they are made.

    Raises:
        ErlctlError: The package is missing, the environment is unknown, or no agent can use it.
        EnvironmentFault: Its constructor raised.
    """
    backend = backends.resolve(section)
    backends.require(backend)
    if backend == "envpool":
        from erlctl.environments.host.envpool import EnvPoolVector

        vector: VectorEnvironment = EnvPoolVector(section, num_envs, draws=draws)
    elif section.vectorise == "subprocess" and not draws:
        from erlctl.environments.host.subprocess import SubprocessVector

        vector = SubprocessVector(section, num_envs)
    else:
        vector = make_inline(section, num_envs, draws=draws)
    sticky = section.wrappers.sticky_actions
    return StickyVector(vector, sticky) if sticky else vector


def make_inline(section: EnvironmentSection, num_envs: int, *, draws: bool = False) -> InlineVector:
    """Return `num_envs` environments in this process, with action repeat and time limit."""
    packages.prepare_pygame()
    make = _MAKERS[backends.resolve(section)]
    singles = []
    for _ in range(num_envs):
        try:
            singles.append(_wrapped(make(section, draws), section.wrappers))
        except ErlctlError:
            raise
        except (Exception, SystemExit) as error:  # whatever a constructor does wrong
            problem = f"cannot be made: {type(error).__name__}: {error}"
            raise EnvironmentFault(section.id, problem, fix=_fix(error)) from error
    return InlineVector(section.id, singles, section.step_timeout)


def _fix(error: BaseException) -> str | None:
    if isinstance(error, TypeError):
        return "compare environment.kwargs with the environment's arguments"
    if isinstance(error, ImportError) or type(error).__name__ == "DependencyNotInstalled":
        return "install the package that the environment needs"
    return None


def _wrapped(single: Single, wrappers: Wrappers) -> Single:
    if wrappers.action_repeat > 1:
        single = Repeated(single, wrappers.action_repeat)
    if wrappers.time_limit is not None:
        single = Limited(single, wrappers.time_limit)
    return single


def _gym(section: EnvironmentSection, draws: bool) -> Single:
    del draws  # Gym 0.23 asks for the mode when it draws
    gym = packages.load("gym")

    try:
        env = gym.make(section.id, **section.kwargs)
    except gym.error.Error as error:
        raise _unknown(section, "gym", error) from error
    _replace_limit(env, section.wrappers)
    return adapt(env, section.id)


def _replace_limit(env: Any, wrappers: Wrappers) -> None:
    """Let `wrappers.time_limit` replace Gym's own limit, which `make` cannot be told."""
    while wrappers.time_limit is not None and env is not env.unwrapped:
        if type(env).__name__ == "TimeLimit":
            # Counted before actions are repeated.
            env._max_episode_steps = wrappers.time_limit * wrappers.action_repeat
            return
        env = env.env


def _gymnasium(section: EnvironmentSection, draws: bool) -> Single:
    gymnasium = packages.load("gymnasium")
    wrappers = section.wrappers
    options: dict[str, Any] = {"render_mode": "rgb_array"} if draws else {}
    if wrappers.time_limit is not None:
        options["max_episode_steps"] = wrappers.time_limit * wrappers.action_repeat
    try:
        # Its checker wraps every step and warns on stderr; the vector has checks of its own.
        options = {**section.kwargs, **options}
        env = gymnasium.make(section.id, disable_env_checker=True, **options)
    except gymnasium.error.Error as error:
        raise _unknown(section, "gymnasium", error) from error
    return adapt(env, section.id)


def _unknown(section: EnvironmentSection, backend: str, error: Exception) -> Exception:
    if packages.has(backend, section.id):
        return error  # known, but something that it needs is not there
    return packages.unknown(section.backend, section.id)


def _python(section: EnvironmentSection, draws: bool) -> Single:
    module_name, _, name = section.id.partition(":")
    # Home-made modules lie beside the spec; last, so that they hide nothing that is installed.
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        raise ErlctlError(
            f"environment {section.id}: {error}",
            fix="install the package, or run from the folder that holds the module",
        ) from error
    except AttributeError as error:
        raise ErlctlError(
            f"environment {section.id}: {error}", fix="write module:factory"
        ) from error
    options = dict(section.kwargs)
    if draws and accepts(factory, "render_mode"):  # else it draws without being told, or not at all
        options["render_mode"] = "rgb_array"
    remake = None
    if accepts(factory, "seed") and "seed" not in section.kwargs:
        def remake(seed: int) -> Any:
            return factory(**options, seed=seed)

    return adapt(factory(**options), section.id, remake)


_MAKERS: Mapping[str, Callable[[EnvironmentSection, bool], Single]] = {
    "gym": _gym, "gymnasium": _gymnasium, "python": _python,
}
