"""The group: help, version, exit codes, closed and full outputs."""

import os
import pty
import subprocess
import sys

import click
import pytest

from erlctl import __version__, cli
from erlctl.errors import RunBusyError, SomeRunsFailedError
from tests.cli.helpers import erlctl as run

ERLCTL = [sys.executable, "-m", "erlctl"]


@pytest.fixture
def behave(monkeypatch):
    """Let `erlctl doctor` do something else."""

    def behave(action):
        command = click.Command("doctor", callback=action)
        monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)
        return run("doctor")

    return behave


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("args", [("--help",), ("-h",)])
def test_help_lists_every_command_and_the_exit_codes(args):
    result = run(*args)
    assert result.code == 0
    for words in (*cli.COMMANDS, "Exit codes:", "130"):
        assert words in result.out


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_exists_and_has_help(name):
    result = run(name, "-h")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: erlctl {name}")


def test_the_version_is_shown():
    assert run("--version").out == f"erlctl {__version__}\n"


@pytest.mark.parametrize(("args", "words"), [
    (("trian",), "no such command 'trian'; did you mean 'train'?"),
    (("xyzzy",), "no such command 'xyzzy'; known: new, train"),
    (("validate",), "Missing argument 'SPEC...'"),
    (("validate", "x", "--sed", "3"), "--sed"),
    (("validate", "x", "--format", "xml"), "'xml' is not one of 'table', 'json'"),
    (("--verbos",), "--verbos"),
])
def test_bad_usage_is_exit_2_with_a_hint(args, words):
    result = run(*args)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize(("error", "code"), [
    (SomeRunsFailedError("two of them", fix="look"), 3), (RunBusyError("busy"), 6),
])
def test_an_error_of_ours_is_a_message_and_its_exit_code(behave, error, code):
    result = behave(raising(error))
    assert (result.code, result.out, result.err) == (code, "", f"{error}\n")


def test_an_interrupt_is_exit_130(behave):
    result = behave(raising(KeyboardInterrupt()))
    assert (result.code, result.err) == (130, "interrupted\n")


def test_an_unexpected_error_keeps_its_traceback(behave):
    with pytest.raises(ZeroDivisionError):
        behave(lambda: 1 / 0)


def test_a_pipe_of_somebody_else_keeps_its_traceback(monkeypatch, behave):
    monkeypatch.setattr(cli, "_is_reader_gone", lambda: False)
    with pytest.raises(BrokenPipeError):
        behave(raising(BrokenPipeError(32, "not standard output")))


def test_a_closed_pipe_is_exit_141_without_a_word():
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [*ERLCTL, "--help"], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (result.returncode, result.stderr) == (141, "")


def test_f23_a_terminal_that_was_closed_is_exit_129_without_a_traceback():
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [*ERLCTL, "validate", "-"], stdin=subprocess.PIPE, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        os.close(controller)
        process.stdin.write(b"nonsense")  # only now it has something to say
    assert process.returncode == 129


def test_a_full_disk_is_a_message():
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        result = subprocess.run(
            [*ERLCTL, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("cannot write: No space left on device")


def test_no_standard_output_at_all_is_fine():
    result = subprocess.run(
        f"{sys.executable} -m erlctl --help >&-", shell=True, stderr=subprocess.PIPE, text=True,
        check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_shell_can_complete_commands():
    result = subprocess.run(
        ERLCTL, capture_output=True, text=True, check=False,
        env={**os.environ, "_ERLCTL_COMPLETE": "bash_complete", "COMP_WORDS": "erlctl al",
             "COMP_CWORD": "1"})
    assert result.stdout == "plain,algorithms\n"
