"""A comparison as text: every format holds the same numbers."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from erlctl.analysis import numbers, render, text
from erlctl.analysis.comparison import compare
from erlctl.analysis.load import load
from erlctl.analysis.scores import Scoring
from tests.analysis import synthetic


@pytest.fixture
def comparison(runs_dir):
    synthetic.write_group(runs_dir, "dqn", [100.0, 110, 120, 130, 140])
    better = [300.0, 310, 320, 330, 340]
    synthetic.write_group(runs_dir, "munchausen_dqn", better, extra=", alpha: 0.9")
    synthetic.write_run(runs_dir, variant="dqn", seed=9, status="diverged", reason="loss is nan")
    return compare(load([runs_dir, runs_dir / "missing"]), Scoring())


def shown(comparison, fmt, **options):
    return render.FORMATS[fmt](comparison, render.Layout(**options))


def test_the_table_holds_counts_means_intervals_verdicts_and_reasons(comparison):
    text = shown(comparison, "table")
    assert re.search(r"dqn\s+5/6\s+120\.0\s+\[1\d\d\.\d, 1\d\d\.\d\]\s+120\.0", text)
    assert "CartPole-v1: final evaluation return (3 greedy episodes, step 10,000)" in text
    assert "munchausen_dqn is better than dqn" in text
    assert "diverged at step 10,000 of 10,000: loss is nan" in text
    assert "no such file or directory" in text
    assert re.search(r"agent\.alpha\s+-\s+0\.9", text)


def test_off_a_terminal_no_line_is_broken_and_nothing_is_coloured(comparison):
    text = shown(comparison, "table")
    assert "\x1b" not in text
    assert any(len(line) > 100 for line in text.splitlines())


def test_on_a_narrow_terminal_lines_fit(comparison):
    text = shown(comparison, "table", width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert re.search(r"munchausen_dqn +5/5 +320\.0 +\[.*\] +320\.0 +\[.*\] +320\.0", text)


def test_the_differences_of_the_specs_can_be_left_out(comparison):
    for fmt in ("table", "json", "markdown"):
        assert "agent.alpha" not in shown(comparison, fmt, spec_differences=False)


def test_json_is_one_document_with_everything_and_no_nan(comparison):
    document = json.loads(shown(comparison, "json"), parse_constant=pytest.fail)
    assert document["schema"] == 1
    (block,) = document["blocks"]
    best, other = block["variants"]
    assert (best["variant"], best["runs_used"], best["mean"]) == ("munchausen_dqn", 5, 320.0)
    assert best["mean_low"] < 320 < best["mean_high"]
    assert [run["excluded"] for run in other["runs"] if run["excluded"]] == [
        "diverged at step 10,000 of 10,000: loss is nan"]
    assert block["pairs"][0]["verdict"] == "better"
    assert document["skipped"][0]["reason"] == "no such file or directory"


def test_csv_holds_full_precision(comparison):
    rows = list(csv.DictReader(io.StringIO(shown(comparison, "csv"))))
    assert [row["variant"] for row in rows] == ["munchausen_dqn", "dqn"]
    assert float(rows[1]["mean"]) == pytest.approx(120.0, abs=1e-9)
    assert rows[1]["runs_total"] == "6"


def test_markdown_tables_have_equal_numbers_of_fields(comparison):
    rows = [line for line in shown(comparison, "markdown").splitlines() if line.startswith("|")]
    score_rows = rows[:4]
    assert {line.count("|") for line in score_rows} == {8}
    assert "munchausen\\_dqn" in rows[2]


def test_latex_is_escaped_and_its_braces_are_balanced(comparison):
    text = shown(comparison, "latex")
    assert r"munchausen\_dqn & 5/5 & 320.0" in text
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    outside = [line for line in text.splitlines() if not line.startswith("%")]
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(outside))


def test_latex_writes_a_minus_sign():
    assert text.latex("[-1.5, -0.5]") == "[$-$1.5, $-$0.5]"
    assert text.latex("CartPole-v1") == "CartPole-v1"


def test_one_row_per_environment_on_request(runs_dir):
    for environment in ("CartPole-v0", "CartPole-v1"):
        synthetic.write_group(
            runs_dir, "dqn", [1.0, 2, 3], name=environment, environment=environment
        )
    text = shown(compare(load([runs_dir]), Scoring()), "table", by="environment")
    assert re.search(r"CartPole-v0 .*2\.00 \[.*\], n = 3", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (487.31, "487.3"), (9.999, "10.00"), (0.5, "0.500"), (0.00123, "0.00123"),
     (0.0, "0.00"), (-137.7, "-137.7"), (float("nan"), "-"), (float("inf"), "never")])
def test_numbers_have_about_four_digits(value, text):
    assert numbers.number(value) == text


def test_names_are_sorted_as_people_do():
    names = ["cvi,t=10", "cvi,t=1e-05", "cvi,t=0.1", "cvi,t=2"]
    assert sorted(names, key=numbers.natural) == ["cvi,t=1e-05", "cvi,t=0.1", "cvi,t=2", "cvi,t=10"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_narrow_terminals_fold_but_never_crop(comparison, width):
    cells = "".join(shown(comparison, "table", width=width).split())
    for part in ("munchausen_dqn", "320.0", "diverged"):
        assert part in cells or width == 40
    assert "…" not in cells
