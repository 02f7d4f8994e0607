"""`erlctl eval`: fresh episodes with the policy of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from erlctl import spec
from erlctl.cli import options, trust
from erlctl.errors import ErlctlError, SomeRunsFailedError

_COLUMNS = ("run", "environment", "step", "policy", "seed", "episodes", "mean", "sd", "min", "max",
            "length_mean")


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
              help="Draw the first episode to this .gif or .mp4 file; for a single run.")
@click.option("--env", "environment_id", metavar="ID",
              help="Play another environment with the same spaces, without the run's env kwargs.")
@click.option("--env-kwarg", "keywords", metavar="KEY=VALUE", multiple=True,
              help="Argument of the environment in place of the run's; repeatable.")
@trust.trust_option
@options.format_option("table", "json", "csv")
def eval_(
    runs: tuple[str, ...], checkpoint: Any, episodes: int | None, policy: str, seed: int,
    video: Path | None, environment_id: str | None, keywords: tuple[str, ...],
    trusted: tuple[str, ...], fmt: str,
) -> None:
    """Play fresh episodes with the policies of runs.

    RUN is a run, a variant, an experiment, a runs directory or a glob.

    \b
    Examples:
      erlctl eval runs/quickstart/dqn/seed-0 --checkpoint best --episodes 100
      erlctl eval runs/quickstart --format json
      erlctl eval runs/quickstart/dqn/seed-0 --video cartpole.gif
      erlctl eval runs/quickstart --env CartPole-v0
      erlctl eval runs/minatar --env-kwarg sticky_action_probability=0.25
    """
    from erlctl.runs.layout import find_runs, no_run

    found = find_runs(runs)
    if not found.runs:
        raise no_run(found.skipped)
    for path, reason in found.skipped:
        options.info(f"skipped {path}: {reason}")
    if video is not None and len(found.runs) != 1:
        raise click.UsageError(f"--video draws a single run, {len(found.runs)} were given")
    if video is not None:
        _check_video(video)
    trust.require(_environments(found.runs), trusted)
    play = _Play(checkpoint, episodes, policy, seed, video, environment_id, keywords, trusted)
    rows, failures, no_video = _play_all(found.runs, play)
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


def _check_video(video: Path) -> None:
    from erlctl.environments.rendering import check_video

    try:
        check_video(video)
    except ErlctlError as error:
        raise click.BadParameter(str(error), param_hint="--video") from error


@dataclass(frozen=True)
class _Play:
    """What is asked for of each run."""

    checkpoint: Any
    episodes: int | None
    policy: str
    seed: int
    video: Path | None
    environment_id: str | None
    keywords: tuple[str, ...]
    trusted: tuple[str, ...]

    def spec_of(self, paths: Any) -> Any:
        """Return the spec with the environment that was asked for, None for the run's own."""
        if self.environment_id is None and not self.keywords:
            return None
        from erlctl.runs.evaluate import elsewhere

        run = spec.load_run(paths.spec)
        return elsewhere(run, self.environment_id, self.keywords, self.trusted)


def _play_all(
    runs: list[Any], play: _Play
) -> tuple[list[dict[str, Any]], list[str], ErlctlError | None]:
    if not all(_is_table(paths) for paths in runs):
        from erlctl.tensorflow_setup import start_tensorflow

        options.info("TensorFlow starts ...")
        start_tensorflow()
    from erlctl.runs.evaluate import Player
    from erlctl.training.factory import make_program

    rows, failures = [], []
    no_video: ErlctlError | None = None
    with contextlib.closing(Player(make_program)) as player:
        for paths in runs:
            try:
                run = play.spec_of(paths)
                result = player.play(paths, play.checkpoint, episodes=play.episodes,
                                     policy=play.policy, seed=play.seed, run=run)
            except ErlctlError as error:
                if len(runs) == 1:
                    raise
                click.echo(error, err=True)
                failures.append(str(paths.root))
                continue
            rows.append(_row(paths, result, play))
            if play.video is not None:
                try:
                    _draw(player, paths, run, play, play.video, len(result.returns))
                except (ErlctlError, OSError) as error:
                    no_video = ErlctlError(f"no video was written: {error}")
    return rows, failures, no_video


def _is_table(paths: Any) -> bool:
    """Return whether a run is a planner's, which NumPy plays; or cannot be played at all."""
    try:
        return bool(spec.load_run(paths.spec).agent.base == "planner")
    except (ErlctlError, OSError):
        return True  # said when it is played


def _row(paths: Any, result: Any, play: _Play) -> dict[str, Any]:
    returns = result.returns
    return {
        "run": str(paths.root), "environment": result.run.environment.id, "step": result.step,
        "policy": play.policy, "seed": play.seed,
        "episodes": len(returns), "mean": float(returns.mean()),
        "sd": float(returns.std(ddof=1)) if len(returns) > 1 else None,
        "min": float(returns.min()), "max": float(returns.max()),
        "length_mean": float(result.lengths.mean()),
        "returns": returns.tolist(), "lengths": result.lengths.tolist(),
    }


def _draw(
    player: Any, paths: Any, run: Any, play: _Play, video: Path, num_episodes: int
) -> None:
    from erlctl.environments import rendering

    run, program, _ = player.load(paths, play.checkpoint, run)
    film = program.film(num_episodes, seed=play.seed, policy=play.policy)
    name, arguments = run.environment.id, run.environment.kwargs
    if film.states:
        frames = (rendering.render_frame(name, state, arguments) for state in film.states)
        count = rendering.write_video(frames, video, rendering.frames_per_second(name))
    else:
        count = rendering.write_video(film.frames, video)
    options.info(f"{video}: {count} frames, return {film.total:g}")


eval = eval_  # noqa: A001 - the lazy group looks a command up under its name
