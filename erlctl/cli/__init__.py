"""The command line: a group whose commands are imported when they are used."""

from __future__ import annotations

import errno
import importlib
import io
import os
import select
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

import click

from erlctl import __version__
from erlctl.cli.options import quiet_option
from erlctl.errors import ErlctlError, nearest

# Name -> short help; `erlctl/cli/<name>.py` holds the command. The texts stand here so that
# `erlctl --help` imports nothing.
COMMANDS: Mapping[str, str] = MappingProxyType({
    "new": "Write a commented spec for an environment and an algorithm.",
    "train": "Train every run of a spec; the same line again resumes.",
    "eval": "Evaluate the policy of finished or running runs.",
    "tune": "Search a space of settings; the same line again goes on.",
    "compare": "Compare variants: returns with intervals over runs.",
    "plot": "Draw learning curves and summaries into a file.",
    "report": "Write an HTML report of runs.",
    "export": "Convert runs for other programs (sb3, csv).",
    "validate": "Check specs and list their runs; nothing is started.",
    "fields": "List every field of a spec, or those below a path.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "algorithms": "List the algorithms, or explain one.",
    "environments": "List the environments, or explain one.",
    "ls": "List runs with their status.",
    "show": "Show one run in detail.",
    "note": "Write a note or a tag into a run.",
    "archive": "Pack runs into one verified tar.gz.",
    "rm": "Delete runs.",
    "doctor": "Check this installation and machine.",
    "fsck": "Check run directories for damage.",
})
EPILOG = """\b
Exit codes:
  0    all that was asked for is done
  1    an error that you can fix
  2    bad usage or a bad spec
  3    some runs failed
  4    a run diverged
  5    damaged data
  6    the run is busy in another process
  75   preempted after a checkpoint: run the same line again
  130  interrupted (SIGINT);  143 SIGTERM;  141 SIGPIPE
"""
# A pipe whose reader has left, as SIGPIPE; a terminal that was closed, as SIGHUP.
_CODES_WITHOUT_READER = MappingProxyType({errno.EPIPE: 141, errno.EIO: 129})
_OUTPUTS = (1, 2)
_HELP_NAMES = ["-h", "--help"]
_COMPLETE_VARIABLE = "_ERLCTL_COMPLETE"


class LazyGroup(click.Group):
    """A group that imports a command when it is used and lists commands without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(
        self, ctx: click.Context, cmd_name: str  # noqa: ARG002 - click's signature
    ) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"erlctl.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        if not any(parameter.name == "quiet" for parameter in command.params):
            quiet_option(command)  # before the command and after it, whichever that is
        # click keeps the first help option that a command was given, in whatever context.
        command.get_help_option(click.Context(command, help_option_names=_HELP_NAMES))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            guess = nearest(name, COMMANDS)
            hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(COMMANDS)}"
            ctx.fail(f"no such command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter  # noqa: ARG002 - click's signature
    ) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": _HELP_NAMES}
)
@click.version_option(__version__, prog_name="erlctl", message="%(prog)s %(version)s")
@quiet_option
def group() -> None:
    """Train, evaluate, compare and plot entropy- and KL-regularised RL agents from YAML specs.

    \b
    Example:
      erlctl train experiments/quickstart.yaml
      erlctl compare runs/quickstart
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Errors that a user can fix are shown without a traceback; any other keeps it.

    Args:
        args: Arguments, those of the process if None.
    """
    instruction = os.environ.get(_COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(group, {}, "erlctl", _COMPLETE_VARIABLE, instruction))
    sys.exit(_run(list(sys.argv[1:] if args is None else args)))


def _run(args: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of folders may be no UTF-8
    try:
        code = _invoke(args)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
        return code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return 130
    except OSError as error:
        without_reader = _CODES_WITHOUT_READER.get(error.errno or 0)
        if without_reader is not None and _is_reader_gone():
            _discard(*_OUTPUTS)
            return without_reader
        if error.errno != errno.ENOSPC:
            raise
        _discard(sys.stdout.fileno())
        click.echo(f"cannot write: {error.strerror}; free some space and run it again", err=True)
        return 1


def _invoke(args: list[str]) -> int:
    try:
        with group.make_context("erlctl", args) as context:
            group.invoke(context)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("aborted", err=True)
        return 130
    except ErlctlError as error:
        click.echo(f"{error}", err=True)
        return error.exit_code


def _is_reader_gone() -> bool:
    """Return whether nobody reads what is said any more: `| head`, or a closed terminal."""
    poll = select.poll()
    for descriptor in _OUTPUTS:
        poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _discard(*outputs: int) -> None:
    # Python flushes once more at exit and would complain; let it write into nothing.
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in outputs:
        os.dup2(nothing, descriptor)
