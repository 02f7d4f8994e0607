"""Actors on a Ray cluster; Ray is imported when runs are launched."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import erlctl
from erlctl.errors import ErlctlError
from erlctl.events import OnEvent
from erlctl.fields import NON_NEGATIVE, Options, option
from erlctl.launch import pool
from erlctl.launch.knock import greet, is_ray
from erlctl.launch.launcher import Batch, Launcher
from erlctl.launch.results import BatchResult
from erlctl.registry import register
from erlctl.runs import preflight
from erlctl.tensorflow_setup import Device

_CONNECT_SECONDS = 5.0
_INIT_SECONDS = 60.0  # Ray may install packages of `runtime_env` later, not while it connects
_ACTOR_SECONDS = 5.0  # one that starts later, where others use the cluster, is asked then
_LOOK_SECONDS = 120.0  # a first task on a node starts a Python there, and perhaps installs packages


@dataclass(frozen=True, kw_only=True)
class RuntimeEnvironment(Options):
    """What Ray brings to the nodes; see its documentation of runtime environments."""

    working_dir: str | None = option(None, "Folder that is sent and becomes the working directory.")
    py_modules: tuple[str, ...] = option((), "Folders of packages that are sent.")
    pip: tuple[str, ...] = option((), "Requirements that are installed.")
    env_vars: Mapping[str, str] = option(doc="Variables of the environment.", factory=dict)


@register("launcher", "ray")
@dataclass(frozen=True, kw_only=True)
class Ray(Launcher):
    """Actors on a Ray cluster, each with the cores of one run."""

    begins: ClassVar[str] = "Ray connects"

    address: str = option("auto", "Cluster, HOST:PORT; auto is the one of this machine, local "
                                  "starts one here.")
    sync: bool = option(False, "Nodes share no file system: run directories are copied through "
                               "Ray, from here and back at every checkpoint.")
    scratch: str | None = option(None, "Folder on the nodes for the copies under sync; by default "
                                       "in the system's place for temporary files.")
    ship: bool = option(False, "Send this erlctl to the nodes instead of using theirs.")
    runtime_env: RuntimeEnvironment = option(RuntimeEnvironment(), "What else is sent.")
    max_retries: int = option(3, "How often a run goes on elsewhere after its node was lost.",
                              domain=NON_NEGATIVE)

    def capacity(self, cores: int | None, device: Device = "cpu") -> int:
        """See `Launcher`."""
        needs = _needs(cores or 1, device)
        return max(sum(_room(node, needs) for node in _alive(self._connect())), 1)

    def launch(self, batch: Batch, on_event: OnEvent) -> BatchResult:
        """See `Launcher`.

        Raises:
            ErlctlError: Ray is not installed, there is no cluster, it has not enough cores, or its
                nodes lack erlctl or share no runs directory.
        """
        batch = replace(batch, cores=batch.cores or 1, runs_dir=batch.runs_dir.absolute())
        self._refuse_what_needs_other_runs(batch)
        # Ray prints what it hears of nodes on stdout, which is for data; the pool says it as well.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            ray = self._connect()
            try:
                return self._launch(ray, batch, on_event)
            finally:
                ray.shutdown()

    def _launch(self, ray: Any, batch: Batch, on_event: OnEvent) -> BatchResult:
        from erlctl.launch.actors import RayWorker
        from erlctl.launch.node import Actor

        preflight.make_folder(batch.runs_dir)
        runs_dir = None if self.sync else batch.runs_dir
        folder = None if self.sync else str(Path.cwd())
        needs = _needs(batch.cores or 1, batch.device)
        nodes = _nodes_with_room(ray, needs)

        def new_actor() -> Any:
            remote = ray.remote(num_cpus=needs["CPU"], num_gpus=needs.get("GPU", 0),
                                scheduling_strategy="SPREAD")(Actor)
            return remote.remote(needs["CPU"], batch.device, folder, self.scratch)

        # They start while the nodes are asked, and answer for theirs; none is told of a run yet.
        waiting = sum(not planned.is_final for planned in batch.plan)
        actors = [new_actor() for _ in range(min(batch.jobs, waiting))]
        room = sum(_room(node, needs) for node in nodes)
        with contextlib.ExitStack() as stack:
            places = _Places(ray, runs_dir, stack)
            seen = places.check_actors(actors[:room])
            places.check_nodes([node for node in nodes if node["NodeID"] not in seen])

        def start(_: int) -> RayWorker:
            return RayWorker(ray, actors.pop(0) if actors else new_actor(), runs_dir)

        return pool.run_all(batch, on_event, start_worker=start, retries=self.max_retries)

    def _connect(self) -> Any:
        """Return the module, connected; the second time it is there already."""
        # Without --device gpu an actor hides the cards itself; Ray would tell of that on stderr.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise ErlctlError(f"--launcher ray: {error}",
                              fix="pip install 'erlctl[ray]'") from error
        if ray.is_initialized():
            return ray
        self._knock()
        try:
            _init(ray, address=self.address, runtime_env=self._runtime_env(), log_to_driver=False,
                  logging_level="error")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            from erlctl.launch.actors import first_line

            raise ErlctlError(
                f"--launcher ray: no cluster at address={self.address}: {first_line(error)}",
                fix="start one with `ray start --head`, or name one: --launcher-option "
                    "address=HOST:PORT",
            ) from error
        return ray

    def _knock(self) -> None:
        """Find out in seconds that no Ray is there, which takes Ray itself minutes."""
        # What Ray takes the address from, before it looks for a cluster of this machine.
        address = os.environ.get("RAY_ADDRESS") or self.address
        host, _, port = address.rpartition("://")[2].rpartition(":")
        if not (host and port.isdigit()):
            return
        try:
            answer = greet(host.strip("[]"), int(port), _CONNECT_SECONDS)
        except TimeoutError:
            problem = f"no answer within {_CONNECT_SECONDS:g} s"
        except (OSError, OverflowError) as error:
            problem = str(error)
        else:
            if is_ray(answer):
                return
            problem = "what answers there is not Ray"
        raise ErlctlError(
            f"--launcher ray: nobody answers at address={address}: {problem}",
            fix="`ray status` on the head node shows whether it runs; its port is 6379 as a rule")

    def _runtime_env(self) -> dict[str, Any]:
        given = {name: list(value) if isinstance(value, tuple) else value
                 for name, value in asdict(self.runtime_env).items() if value}
        if self.ship:
            given["py_modules"] = [*given.get("py_modules", ()), str(Path(erlctl.__file__).parent)]
        return given

    def _refuse_what_needs_other_runs(self, batch: Batch) -> None:
        for planned in batch.plan:
            if self.sync and planned.run.training.initial_checkpoint and not planned.is_final:
                raise ErlctlError(
                    f"{planned.label}: training.initial_checkpoint is a run of this machine, which "
                    "the nodes do not see under sync=true",
                    fix="train these with --launcher local, or on a runs directory that is shared",
                )


class _Places:
    """Asks nodes whether they can train these runs, before any is told of one.

    Args:
        ray: The module, connected.
        runs_dir: The runs directory that they should share, None if they need not.
        stack: Keeps files in the runs directory that nodes write into.
    """

    def __init__(self, ray: Any, runs_dir: Path | None, stack: contextlib.ExitStack) -> None:
        self._ray, self._runs_dir, self._stack = ray, runs_dir, stack

    def check_actors(self, actors: Sequence[Any]) -> set[str]:
        """Return the ids of the nodes that actors answer for, of those that answer soon.

        Raises:
            ErlctlError: A node has another erlctl, or another runs directory.
        """
        from erlctl.launch.actors import check_place

        if not actors:  # Ray waits for one at least
            return set()
        asked = [self._ask(actor.look_around) for actor in actors]
        answered, _ = self._ray.wait([reference for _, reference in asked],
                                     num_returns=len(asked), timeout=_ACTOR_SECONDS)
        seen = set()
        for token, reference in asked:
            if reference in answered:
                # One that failed answers for nothing: its node is asked why.
                with contextlib.suppress(self._ray.exceptions.RayError):
                    place = self._ray.get(reference)
                    check_place(place, self._runs_dir, token)
                    seen.add(place.node)
        return seen

    def check_nodes(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Ask nodes by a task of their own.

        Raises:
            ErlctlError: erlctl does not run there, or as above.
        """
        from erlctl.launch.actors import check_place, last_line
        from erlctl.launch.node import look_around

        affinity = importlib.import_module("ray.util.scheduling_strategies")
        look = self._ray.remote(num_cpus=0, max_retries=0)(look_around)
        asked = [
            self._ask(look.options(scheduling_strategy=affinity.NodeAffinitySchedulingStrategy(
                node["NodeID"], soft=False)))
            for node in nodes
        ]
        for node, (token, reference) in zip(nodes, asked, strict=True):
            try:
                place = self._ray.get(reference, timeout=_LOOK_SECONDS)
            except self._ray.exceptions.RayError as error:
                raise ErlctlError(
                    f"erlctl cannot run on {node['NodeManagerHostname']}: {last_line(error)}",
                    fix="install erlctl there, or send this one: --launcher-option ship=true",
                ) from error
            check_place(place, self._runs_dir, token)

    def _ask(self, method: Any) -> tuple[str, Any]:
        from erlctl.launch.actors import new_token

        token = self._stack.enter_context(new_token(self._runs_dir))
        return token, method.remote(self._runs_dir and str(self._runs_dir), token)


def _nodes_with_room(ray: Any, needs: Mapping[str, int]) -> list[dict[str, Any]]:
    nodes = [node for node in _alive(ray) if _room(node, needs)]
    if not nodes:
        wanted = f"{needs['CPU']} cores" + (" and a GPU" if "GPU" in needs else "")
        fix = "train on --device cpu, or add nodes" if "GPU" in needs \
            else "give runs fewer with --cores, or add nodes"
        raise ErlctlError(f"no node of the Ray cluster has {wanted}", fix=fix)
    return nodes


def _init(ray: Any, **options: Any) -> None:
    """Connect, within a time: Ray tries for ever where a part of the cluster does not answer.

    Raises:
        TimeoutError: It took too long; the attempt goes on in a thread that holds up nothing.
        Exception: What Ray raises.
    """
    raised: list[Exception] = []

    def connect() -> None:
        try:
            ray.init(**options)
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            raised.append(error)

    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(_INIT_SECONDS)
    if attempt.is_alive():
        raise TimeoutError(f"no answer within {_INIT_SECONDS:g} s")
    if raised:
        raise raised[0]


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _needs(cores: int, device: Device) -> dict[str, int]:
    """Return what a run takes, in Ray's words for resources."""
    return {"CPU": cores, **({"GPU": 1} if device == "gpu" else {})}


def _room(node: Mapping[str, Any], needs: Mapping[str, int]) -> int:
    """Return how many runs a node can take."""
    return min(int(node["Resources"].get(name, 0)) // count for name, count in needs.items())
