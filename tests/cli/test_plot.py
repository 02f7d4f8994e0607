"""erlctl plot: files by their name, the terminal, clear refusals."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import pytest

from tests.analysis import synthetic
from tests.cli.helpers import erlctl


@pytest.fixture
def family(runs_dir):
    for variant, shift in (("dqn", 0.0), ("munchausen_dqn", 200.0)):
        synthetic.write_group(runs_dir, variant, [shift + 100, shift + 110, shift + 120])
    return runs_dir


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("A.PDF", b"%PDF")])
def test_the_format_follows_the_name(family, tmp_path, name, start):
    result = erlctl("plot", family, "-o", tmp_path / name)
    assert (result.code, result.err, result.out.strip()) == (0, "", str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    "kind", ["curves", "aggregate", "profile", "improvement", "sensitivity", "diagnostics"])
def test_every_kind_is_drawn_under_its_own_name(family, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    assert erlctl("plot", family, "--kind", kind, "--style", "slides").code == 0
    assert (tmp_path / f"{kind}.png").stat().st_size > 1000


def test_the_same_line_gives_the_same_bytes(family, tmp_path):
    for name in ("a.svg", "b.svg"):
        erlctl("plot", family, "--seeds", "-o", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_labels_limits_and_words_around_the_plot_can_be_chosen(family, tmp_path):
    usual, own = tmp_path / "a.svg", tmp_path / "b.svg"
    erlctl("plot", family, "-o", usual)
    result = erlctl("plot", family, "-o", own, "--label", "munchausen_dqn=M-DQN", "--title", "",
                    "--no-caption", "--xlim", 0, 4000, "--ylim", -7, 7, "--band", "none")
    assert (result.code, result.err) == (0, "")
    for text, is_usual, is_own in (
        (">M-DQN<", False, True), (">munchausen_dqn<", True, False), ("n = 3 runs", True, False),
        ("evaluation return over steps", True, False), (">10k<", True, False),
        (">4k<", True, True), (">200<", True, False),
    ):
        assert (text in usual.read_text(), text in own.read_text()) == (is_usual, is_own), text
    assert "M-DQN (n = 3)" in erlctl(
        "plot", family, "--terminal", "--label", "munchausen_dqn=M-DQN").out


def test_the_terminal_gets_a_picture(family):
    result = erlctl("plot", family, "--terminal")
    assert result.code == 0
    assert "munchausen_dqn (n = 3)" in result.out
    assert "\x1b" not in result.out


def test_a_size_that_is_too_small_is_an_error_alone_and_the_advice_holds(family, tmp_path):
    line = ("-q", "plot", family, "-o", tmp_path / "a.png", "--size", 3.3)
    refused = erlctl(*line, 1)
    assert refused.code == 1
    assert len(refused.err.splitlines()) == 2
    (height,) = re.findall(r"at least ([\d.]+)", refused.err)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = erlctl(*line, height)
    assert (drawn.code, drawn.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(("-o", "x.jpg"), 1, ".png, .svg, .pdf"), (("-o", "no/such/folder/x.png"), 1, "No such file"),
     (("--metric", "retrun"), 2, "did you mean"), (("--terminal", "-o", "x.png"), 2, "--terminal"),
     (("--kind", "sensitivity", "--field", "agent.gama"), 2, "swept field"),
     (("--size", "0", "3"), 2, "--size"), (("--label", "dqm=x"), 2, "did you mean 'dqn'"),
     (("--label", "dqn"), 1, "OLD=NEW"), (("--label", "dqn=x", "--label", "munchausen_dqn=x"), 1,
                                          "both be called 'x'"),
     (("--kind", "aggregate", "--ylim", "0", "1"), 1, "leave out --ylim"),
     (("--baseline", "dqn"), 2, "--baseline does nothing with --kind curves, only with --kind imp"),
     (("--kind", "profile", "--baseline", "dqn"), 2, "--baseline does nothing"),
     (("--kind", "improvement", "--baseline", "dqm"), 2, "did you mean 'dqn'"),
     (("--kind", "aggregate", "--field", "agent.gamma"), 2, "only with --kind sensitivity"),
     (("--kind", "diagnostics", "--at", "3000"), 2, "--at does nothing"), (("--last", "3"), 2,
                                                                           "--last does nothing"),
     (("--kind", "search", "--force"), 2, "--force does nothing"),
     (("--reference", "CartPole-v1=0,1"), 2, "--reference does nothing"),
     (("--kind", "aggregate", "--reference", "CartPol-v1=0,1"), 2, "did you mean 'CartPole-v1'")])
def test_refusals_say_what_to_do(family, arguments, code, said):
    result = erlctl("plot", family, *arguments)
    assert result.code == code
    assert said in result.err


def test_a_path_without_runs_is_an_error_of_the_user(tmp_path):
    assert erlctl("plot", tmp_path).code == 1


def test_tensorflow_is_never_imported(family, tmp_path):
    program = (
        "import sys\nfrom erlctl import cli\n"
        "try:\n    cli.main(['plot', sys.argv[1], '-o', sys.argv[2]])\n"
        "finally:\n    print([m for m in ('tensorflow', 'gym', 'matplotlib.pyplot')"
        " if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(family), str(tmp_path / "a.png")],
        capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_the_help_knows_that_planners_iterate():
    assert "iterations of planners" in " ".join(erlctl("plot", "--help").out.split())
