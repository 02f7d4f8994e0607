"""`erlctl eval`: fresh episodes with the policy of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.errors import DamagedError, ErlctlError, SomeRunsFailedError

_COLUMNS = ("run", "step", "policy", "seed", "episodes", "mean", "sd", "min", "max", "length_mean")


class _Checkpoint(click.ParamType):
    name = "best|latest|STEP"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value in ("best", "latest") or isinstance(value, int):
            return value
        if value.isdecimal():
            return int(value)
        return self.fail(f"{value!r} is neither best, latest nor a step", param, ctx)


@click.command("eval")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--checkpoint", type=_Checkpoint(), default="latest", show_default=True,
              help="Which checkpoint acts: the best evaluated one, the newest, or one of a step.")
@click.option("--episodes", type=click.IntRange(min=1),
              help="Episodes of each run; default: as many as in its own evaluations.")
@click.option("--policy", type=click.Choice(["greedy", "collect"]), default="greedy",
              show_default=True, help="Greedy, or as in training at that step.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of the episodes; no training run sees these.")
@click.option("--video", type=click.Path(dir_okay=False, path_type=Path),
              help="Draw one episode to this .gif or .mp4 file; for a single run.")
@trust.trust_option
@options.format_option("table", "json", "csv")
def eval_(
    runs: tuple[str, ...], checkpoint: Any, episodes: int | None, policy: str, seed: int,
    video: Path | None, trusted: tuple[str, ...], fmt: str,
) -> None:
    """Play fresh episodes with the policies of runs.

    RUN is a run, a variant, an experiment, a runs directory or a glob.

    \b
    Examples:
      erlctl eval runs/quickstart/dqn/seed-0 --checkpoint best --episodes 100
      erlctl eval runs/quickstart --format json
      erlctl eval runs/quickstart/dqn/seed-0 --video cartpole.gif
    """
    from erlctl.runs.layout import find_runs

    found = find_runs(runs)
    for path, reason in found.skipped:
        options.info(f"skipped {path}: {reason}")
    if not found.runs:
        raise DamagedError("no run directory found", fix="name a folder that `erlctl ls` shows")
    if video is not None and len(found.runs) != 1:
        raise click.UsageError(f"--video draws a single run, {len(found.runs)} were given")
    trust.require(_environments(found.runs), trusted)
    options.info("TensorFlow starts ...")
    rows, failures, no_video = _play_all(found.runs, checkpoint, episodes, policy, seed, video)
    if fmt == "json":
        options.echo_json({"evaluations": rows})
    else:
        options.echo_rows(rows, _COLUMNS, fmt)
    if no_video is not None:  # only now: the episodes were played
        raise no_video
    if failures:
        raise SomeRunsFailedError(
            f"{len(failures)} of {len(found.runs)} runs could not be played: {', '.join(failures)}"
        )


def _environments(runs: list[Any]) -> Iterator[Any]:
    for paths in runs:
        with contextlib.suppress(ErlctlError, OSError):  # said when it is played
            yield spec.load_run(paths.spec).environment


def _play_all(
    runs: list[Any], checkpoint: Any, episodes: int | None, policy: str, seed: int,
    video: Path | None,
) -> tuple[list[dict[str, Any]], list[str], ErlctlError | None]:
    from erlctl.tensorflow_setup import start_tensorflow

    start_tensorflow()
    from erlctl.runs.evaluate import Player
    from erlctl.training.factory import make_program

    rows, failures = [], []
    no_video: ErlctlError | None = None
    with contextlib.closing(Player(make_program)) as player:
        for paths in runs:
            try:
                result = player.play(paths, checkpoint, episodes=episodes, policy=policy, seed=seed)
            except ErlctlError as error:
                if len(runs) == 1:
                    raise
                options.info(str(error))
                failures.append(str(paths.root))
                continue
            rows.append(_row(paths, result, policy, seed))
            if video is not None:
                try:
                    _draw(player, paths, checkpoint, policy, seed, video)
                except (ErlctlError, OSError) as error:
                    no_video = ErlctlError(f"no video was written: {error}")
    return rows, failures, no_video


def _row(paths: Any, result: Any, policy: str, seed: int) -> dict[str, Any]:
    returns = result.returns
    return {
        "run": str(paths.root), "step": result.step, "policy": policy, "seed": seed,
        "episodes": len(returns), "mean": float(returns.mean()),
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else None,
        "min": float(returns.min()), "max": float(returns.max()),
        "length_mean": float(result.lengths.mean()),
        "returns": returns.tolist(), "lengths": result.lengths.tolist(),
    }


def _draw(player: Any, paths: Any, checkpoint: Any, policy: str, seed: int, video: Path) -> None:
    from erlctl.environments import rendering

    run, program, _ = player.load(paths, checkpoint)
    film = program.film(seed=seed, policy=policy)
    name, arguments = run.environment.id, run.environment.kwargs
    if film.states:
        frames = (rendering.render_frame(name, state, arguments) for state in film.states)
        count = rendering.write_video(frames, video, rendering.frames_per_second(name))
    else:
        count = rendering.write_video(film.frames, video)
    options.info(f"{video}: {count} frames, return {film.total:g}")


eval = eval_  # noqa: A001 - the lazy group looks a command up under its name
