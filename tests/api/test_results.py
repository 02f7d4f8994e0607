"""`erlctl.load` and `erlctl.compare` hold what the files and the command hold."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest

import erlctl
from erlctl.errors import DomainError, ErlctlError
from tests.cli.helpers import erlctl as command


def csv_rows(path, skip=0):
    with path.open() as file:
        for _ in range(skip):
            next(file)
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(study):
    return erlctl.load(study)


@pytest.mark.parametrize("name", ["evaluations", "progress"])
def test_a_table_has_every_row_of_every_run_under_what_the_run_is(runs, study, name):
    frame = getattr(runs, name)()
    for root in sorted(study.glob("study/*/seed-*")):
        _, variant, seed = root.relative_to(study).parts
        mine = frame[(frame.variant == variant) & (frame.seed == int(seed.removeprefix("seed-")))]
        expected = csv_rows(root / f"{name}.csv")
        assert len(mine) == len(expected)
        for column in expected[0]:
            values = [float(row[column] or "nan") for row in expected]
            np.testing.assert_array_equal(mine[column].to_numpy(float), values)
    assert set(frame.name) == {"study"}
    assert set(frame.algorithm) == {"munchausen_dqn"}
    assert frame.environment.str.startswith("CartPole-v1").all()
    assert frame.step.dtype == np.int64


def test_episodes_are_the_monitor_with_the_steps_at_which_they_ended(runs, study):
    frame = runs.episodes()
    for (variant, seed), mine in frame.groupby(["variant", "seed"]):
        expected = csv_rows(study / "study" / variant / f"seed-{seed}" / "monitor.csv", skip=1)
        lengths = [int(float(row["l"])) for row in expected]
        assert mine.length.tolist() == lengths
        assert mine["return"].tolist() == [float(row["r"]) for row in expected]
        assert mine.step.tolist() == [sum(lengths[: i + 1]) for i in range(len(lengths))]
    assert frame.groupby(["variant", "seed"]).ngroups == 4


def test_runs_are_selected_by_variant_and_by_what_their_specs_say(study):
    assert len(erlctl.load(study, variant="*0.9")) == 2
    assert len(erlctl.load(study, where={"agent.gamma": 0.99})) == 2
    assert len(erlctl.load([study], where=["agent.gamma=0.99"], variant=["*"])) == 2
    with pytest.raises(ErlctlError, match="none of the 4 runs"):
        erlctl.load(study, where={"agent.gamma": 0.5})
    with pytest.raises(ErlctlError, match="no run found"):
        erlctl.load(study / "nothing")


def test_scores_are_those_of_compare(runs, study):
    table = runs.table(score="best")
    means = {row.variant: row.score for row in
             table.groupby("variant", as_index=False).score.mean().itertuples()}
    assert len(table) == 4
    text = erlctl.compare(study, score="best").render("csv")
    for row in csv.DictReader(text.splitlines()):
        assert float(row["mean"]) == pytest.approx(means[row["variant"]])


def test_compare_gives_the_bytes_of_the_command(study, runs):
    compared = erlctl.compare(runs, last=2)
    for name in ("json", "csv", "markdown", "latex", "table"):
        assert compared.render(name) == command(
            "compare", study, "--last", "2", "--format", name).out
    assert compared.to_dict() == json.loads(compared.render("json"))
    assert compared._repr_markdown_() == compared.render("markdown")
    assert str(compared) == compared.render("table")


def test_a_notebook_shows_every_cell_of_the_tables(runs):
    compared = erlctl.compare(runs)
    page = compared._repr_html_()
    lines = compared.render("markdown").splitlines()
    assert page.count("<tr>") == sum(line.startswith("| ") and "---" not in line for line in lines)
    assert f"<td style=\"text-align: left\">{runs.runs[0].variant}</td>" in page
    assert "\\" not in page
    assert "|" not in page


def test_text_of_others_is_no_html():
    from erlctl.api.comparing import _html

    page = _html(
        "**a \\<b\\>**\n\n| x\\|y | n |\n| --- | ---: |\n| \\<script\\> | 1 |\n\n- l \\& m"
    )
    assert "<script>" not in page
    assert "<th style=\"text-align: left\">x|y</th>" in page
    assert "<td style=\"text-align: right\">1</td>" in page
    assert "<b>a &lt;b&gt;</b>" in page


def test_compare_refuses_what_the_command_refuses(study):
    with pytest.raises(DomainError, match="threshold"):
        erlctl.compare(study, score="steps")
    with pytest.raises(ErlctlError, match="unknown variant"):
        erlctl.compare(study, baseline="nobody")
    with pytest.raises(DomainError, match="one of table"):
        erlctl.compare(study).render("html")


def test_without_pandas_the_command_that_installs_it_is_named(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ErlctlError, match=r"pip install .*erlctl\[pandas\]"):
        runs.evaluations()


def test_figures_take_the_runs(runs):
    from erlctl.analysis.figures.curves import curves

    assert curves(runs.runs)._repr_png_().startswith(b"\x89PNG")
