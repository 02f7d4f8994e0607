"""What a batch says while it runs."""

from __future__ import annotations

import io
import signal

import pytest
from rich.console import Console

from erlctl.events import (
    Compiling,
    Evaluated,
    Finished,
    Message,
    Outcome,
    Refresh,
    RunResult,
    Saved,
    Started,
    Stopping,
    StopReason,
    Tick,
)
from erlctl.launch import display
from erlctl.launch.board import Board, RunState, duration

RUNS = [("demo/dqn/seed-0", 1000), ("demo/dqn/seed-1", 1000)]
LABEL = RUNS[0][0]
EVALUATION = Evaluated(LABEL, 500, 20, return_mean=87.3, return_std=4.1, length_mean=87.3)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def tick(step, rate=100.0, label=LABEL):
    return Tick(label, step, rate)


def end(status, *, step=0, seconds=0.0, message=""):
    outcome = Outcome(status, step, message)
    return Finished(LABEL, RunResult(label=LABEL, root="r", outcome=outcome, total_steps=1000,
                                     seconds=seconds))


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (Started(LABEL, 0, 1000, is_resumed=False),
         "started, 1000 steps"),
        (Compiling(LABEL), "compiling"),
        (Message(LABEL, "resumed from step 500"),
         "resumed from step 500"),
        (EVALUATION, "step 500: evaluation return 87.3 (standard deviation 4.1) over 20 episodes"),
        (end("complete", step=1000, seconds=12.2), "complete at step 1000 after 12s"),
        (end("failed", step=3, seconds=1.0, message="it broke"),
         "failed at step 3 after 1.0s: it broke"),
        (end("skipped", step=1000), "already complete at step 1000, skipped"),
    ],
)
def test_each_event_has_its_sentence(event, sentence):
    assert Board(RUNS).apply(event) == f"{LABEL}: {sentence}"


@pytest.mark.parametrize("event", [tick(5), Refresh(), end("pending"),
                                   Saved(LABEL, 5)])
def test_what_happens_all_the_time_is_not_said(event):
    assert Board(RUNS).apply(event) is None


@pytest.mark.parametrize(
    ("signum", "words"),
    [(signal.SIGINT, "Ctrl-C again to quit now"), (signal.SIGTERM, "SIGTERM received")],
)
def test_a_stop_says_why_and_what_happens(signum, words):
    sentence = Board(RUNS).apply(Stopping(StopReason("signal", signum)))
    assert words in sentence
    assert "writing checkpoints" in sentence


def test_progress_is_one_line_of_figures():
    state = RunState(LABEL, 500_000, step=120_000, steps_per_second=812.0, last_return=87.31)
    assert state.describe() == "step=120000/500000 24% return=87.3 rate=812/s eta=7m48s"


def test_the_whole_ends_when_the_active_runs_have_done_what_is_left():
    board = Board(RUNS)
    board.apply(tick(500, rate=100.0))
    assert board.seconds_left == pytest.approx((500 + 1000) / 100)
    board.apply(tick(500, rate=300.0, label=RUNS[1][0]))
    assert board.seconds_left == pytest.approx((500 + 500) / 400)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4s"), (12.3, "12s"), (59.7, "1m00s"), (468, "7m48s"), (11_100, "3h05m"),
     (187_200, "2d04h")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_off_terminal_every_line_is_plain(monkeypatch):
    stream = io.StringIO()
    show = display.for_stream(RUNS, stream)
    with show:
        show.say("two runs")
        show(EVALUATION)
        show(tick(600))
        show(Refresh())
    assert stream.getvalue().splitlines() == [
        "two runs",
        f"{LABEL}: step 500: evaluation return 87.3 (standard deviation 4.1) over 20 episodes",
    ]


def test_off_terminal_progress_comes_every_ten_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    show = display.PlainDisplay(RUNS, stream)
    for second in range(25):
        now[0] = float(second)
        show(tick(second))
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(monkeypatch, term):
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert isinstance(display.for_stream(RUNS, Terminal()), display.PlainDisplay)


def test_an_ascii_stream_gets_escapes_not_an_error():
    bytes_written = io.BytesIO()
    stream = io.TextIOWrapper(bytes_written, encoding="ascii")
    display.PlainDisplay(RUNS, stream).say("gut: \N{LATIN SMALL LETTER U WITH DIAERESIS}")
    assert bytes_written.getvalue() == b"gut: \\xfc\n"


def test_a_terminal_shows_active_runs_and_keeps_the_sentences(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    show = display.for_stream(RUNS, stream)
    with show:
        show(EVALUATION)
        show(tick(600))
        monkeypatch.setattr(display, "_FRAME_SECONDS", 0.0)
        show._next_frame = 0.0
        show(tick(700, rate=70.0))
    text = stream.getvalue()
    assert "evaluation return 87.3" in text
    assert "700/1000" in text
    assert "0/2 runs" in text


def test_no_color_leaves_out_the_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with display.for_stream(RUNS, stream) as show:
        show(tick(700))
    assert "\x1b[38" not in stream.getvalue()


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_a_closed_terminal_does_not_end_the_batch(monkeypatch, term):
    class Closed(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(display, "_FRAME_SECONDS", 0.0)
    with display.for_stream(RUNS, Closed()) as show:
        show.say("hello")
        show(EVALUATION)
        show(tick(700))


@pytest.mark.parametrize("width", [72, 200])
def test_names_that_differ_at_their_ends_stay_different_on_a_narrow_terminal(width):
    labels = [f"experiment/munchausen_dqn,temperature={t}/seed-{s}" for t in (0.03, 0.3)
              for s in (0, 1)]
    show = display.LiveDisplay([(label, 100) for label in labels], io.StringIO())
    show._console = Console(file=io.StringIO(), width=width, height=40)
    for state in show._board.runs.values():
        state.phase = "training"
    show._console.print(show._render())
    lines = show._console.file.getvalue().splitlines()
    assert len({line.split()[0] for line in lines[:4]}) == 4
