"""What `speed.py` measures, as data: suites of rows, and the bars that the rows must reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from work import Work


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        name: How the table calls it.
        program: Script in this folder; prints one line of JSON.
        work: What it does.
        package: Module that must be importable; None if it always is.
        is_peer: Whether it runs in the peers' environment.
        expected: (low, high) of reference rate / this row's rate, the bar; None: no bar.
    """

    name: str
    program: str
    work: Work
    package: str | None = None
    is_peer: bool = False
    expected: tuple[float, float] | None = None


@dataclass(frozen=True)
class Suite:
    """Rows that are compared; the first is the reference of the ratios."""

    name: str
    title: str
    rows: Sequence[Row]


def cartpole(name: str, work: Work, *, floors: dict[str, float]) -> Suite:
    """Return erlctl, its bare update and its peers on the same work."""
    slow = replace(work, steps=max(work.steps // 20, 200))

    def at_least(peer: str) -> tuple[float, float] | None:
        return (floors[peer], float("inf")) if peer in floors else None

    title = f"DQN, CartPole-v1, hidden {work.hidden}, batch {work.batch_size}"
    return Suite(name, title, [
        Row(name="erlctl", program="run_erlctl.py", work=work),
        # Its ratio is (full step) / (update alone), turned round: rate against rate.
        Row(name="erlctl, update alone", program="run_update.py", work=work,
            expected=(1 / 1.5, float("inf"))),
        Row(name="TF-Agents loop", program="run_tf_agents.py", work=slow,
            expected=at_least("TF-Agents loop")),
        Row(name="Stable-Baselines3", program="run_stable_baselines3.py", work=slow,
            package="stable_baselines3", is_peer=True, expected=at_least("Stable-Baselines3")),
        Row(name="SBX", program="run_sbx.py", work=slow, package="sbx", is_peer=True,
            expected=at_least("SBX")),
        Row(name="JAX, one scan", program="run_jax.py", work=work, package="gymnax", is_peer=True,
            expected=at_least("JAX")),
        # Its ratio is the share of the limit that erlctl reaches.
        Row(name="limit of sgemm", program="run_sgemm.py", work=work, package="torch",
            is_peer=True),
        Row(name="JAX, 4 seeds vmapped", program="run_jax.py", work=replace(work, seeds=4),
            package="gymnax", is_peer=True),
    ])


ATARI = Work(environment="Breakout-v5", backend="envpool", network="nature", batch_size=32,
             warmup=20, steps=400)
SAC = Work(environment="Pendulum-v1", algorithm="sac", options={"learn_temperature": True},
           batch_size=256, target_update_every=1, target_update_polyak=0.005, steps=3000)


def compile_modes() -> list[Suite]:
    """Return XLA and graph mode beside what `training.compile: auto` chooses."""
    works = {
        "dqn-64": Work(steps=3000),
        "dqn-256": Work(hidden=(256, 256), batch_size=128, steps=3000),
        "sac-64": replace(SAC, steps=1000),
        "sac-256": replace(SAC, hidden=(256, 256), steps=300),
        "minatar": Work(environment="MinAtar/Breakout-v1", network="minatar", batch_size=32,
                        steps=2000),
        "nature": replace(ATARI, steps=100),
    }
    # The choice is right if the other is not faster by more than the noise.
    bar = (0.85, float("inf"))
    return [
        Suite(f"compile-{name}", f"training.compile, {name}, batch {work.batch_size}", [
            Row(name="auto", program="run_erlctl.py", work=work),
            *(Row(name=mode, program="run_erlctl.py", work=replace(work, compile=mode),
                  expected=bar) for mode in ("xla", "graph")),
        ])
        for name, work in works.items()
    ]


def pendulum(name: str, hidden: tuple[int, ...], floor: float, sbx_floor: float) -> Suite:
    """Return SAC beside Stable-Baselines3's and SBX's, all with a learned temperature."""
    work = replace(SAC, hidden=hidden)
    return Suite(name, f"SAC, Pendulum-v1, hidden {hidden}, batch 256", [
        Row(name="erlctl", program="run_erlctl.py", work=work),
        Row(name="Stable-Baselines3", program="run_stable_baselines3.py",
            work=replace(work, steps=300), package="stable_baselines3", is_peer=True,
            expected=(floor, float("inf"))),
        Row(name="SBX", program="run_sbx.py", work=replace(work, steps=600), package="sbx",
            is_peer=True, expected=(sbx_floor, float("inf"))),
    ])


def host(name: str, work: Work, title: str, floor: float | None) -> Suite:
    """Return erlctl on environments of another package beside Stable-Baselines3."""
    slow = replace(work, steps=max(work.steps // 4, 200))
    expected = None if floor is None else (floor, float("inf"))
    return Suite(name, title, [
        Row(name="erlctl", program="run_erlctl.py", work=work),
        Row(name="Stable-Baselines3", program="run_stable_baselines3.py", work=slow,
            package="stable_baselines3", is_peer=True, expected=expected),
    ])


def hosts() -> list[Suite]:
    """Return the host path with an update for each environment step, or for each vector step."""
    one, eight = Work(backend="gym"), Work(backend="gym", num_envs=8, warmup=800, steps=16_000)
    title = "DQN, gym's CartPole-v1, hidden (64, 64), batch 64"
    atari = "DQN, EnvPool's Breakout, Nature network, batch 32"
    return [
        host("host-1", replace(one, steps=4000), f"{title}, 1 environment", 1.5),
        host("host-8", replace(eight, updates=8), f"{title}, 8 environments, 8 updates", 5.0),
        host("host-8-shared", eight, f"{title}, 8 environments, 1 update", None),
        host("atari", replace(ATARI, cores=2), f"{atari}, two cores", 2.0),
        host("atari-1", ATARI, f"{atari}, one core", 2.0),
    ]


def suites() -> list[Suite]:
    """Return everything there is to measure."""
    return [
        cartpole("cartpole-64", Work(steps=30_000),
                 floors={"TF-Agents loop": 45.0, "Stable-Baselines3": 20.0, "JAX": 1.2}),
        cartpole("cartpole-128", Work(hidden=(128, 128), batch_size=128, steps=10_000),
                 floors={"JAX": 1.1}),
        cartpole("cartpole-256", Work(hidden=(256, 256), batch_size=128, steps=4000),
                 floors={"JAX": 1.1}),
        pendulum("pendulum-64", (64, 64), 6.0, 2.3),
        pendulum("pendulum-256", (256, 256), 2.5, 1.3),
        *hosts(),
        *compile_modes(),
    ]
