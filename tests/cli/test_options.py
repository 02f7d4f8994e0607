"""Rows in every format; stdout carries data."""

import csv
import io
import json
import math

import numpy as np
import pytest

from erlctl.cli import options
from tests.cli.helpers import erlctl

ROWS = [
    {"id": "[red]" + "x" * 200, "mean_return": 1.23456789, "n": 3, "ok": True, "hidden": [64, 32]},
    {"id": "a|b_&", "mean_return": math.nan, "n": None, "ok": False, "hidden": {"a": 1}},
]
COLUMNS = ["id", "mean_return", "n", "ok", "hidden"]


@pytest.fixture
def show(capsys):
    def show(fmt, rows=ROWS, title=None):
        options.echo_rows(rows, COLUMNS, fmt, title)
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return show


def test_a_table_off_terminal_is_plain_lines_that_are_never_cut(show):
    lines = show("table").splitlines()
    assert lines[0].split() == ["id", "mean", "return", "n", "ok", "hidden"]
    assert lines[1].split() == ["[red]" + "x" * 200, "1.23457", "3", "yes", "64,", "32"]
    assert lines[2].split() == ["a|b_&", "nan", "-", "no", "a=1"]
    assert "\x1b" not in "".join(lines)


def test_columns_of_a_table_off_a_terminal_stand_below_each_other(show):
    rows = [{"id": "a b", "n": 3, "hidden": [64, 32]}, {"mean_return": 1.5, "ok": False}]
    assert show("table", rows, "a title").splitlines() == [
        "a title",
        "id   mean return  n  ok  hidden",
        "a b            -  3  -   64, 32",
        "-            1.5  -  no  -",
    ]


def test_wide_letters_and_combined_ones_take_their_columns(show):
    rows = [{"id": name, "ok": True} for name in ("\u6f22\u5b57", "e\u0301t\u00e9", "abcd")]
    lines = show("table", rows).splitlines()[1:]
    # Two letters of two columns each; an accent that stands on the letter before it.
    assert [line.partition("-")[0] for line in lines] == [
        "\u6f22\u5b57  ", "e\u0301t\u00e9   ", "abcd  "]


def test_one_far_longer_cell_pushes_its_own_line_alone(show):
    rows = [{"id": "x" * length, "hidden": [1, 2]} for length in [4] * 19 + [300]]
    starts = [line.index("1, 2") for line in show("table", rows).splitlines()[1:]]
    assert set(starts[:-1]) == {min(starts)}
    assert min(starts) < 40 < 300 < starts[-1]


def test_a_table_without_rows_is_its_header(show):
    assert show("table", []).split() == ["id", "mean", "return", "n", "ok", "hidden"]


def test_json_is_one_document_and_has_no_nan(show):
    document = json.loads(show("json"))
    assert document["schema"] == 1
    assert document["rows"][1]["mean_return"] is None
    assert document["rows"][0]["hidden"] == [64, 32]


def test_json_takes_numpy_and_paths(capsys, tmp_path):
    array = np.array([1, 2])
    options.echo_json({"a": np.float32(0.5), "b": np.int64(3), "c": array, "d": tmp_path})
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": 1, "a": 0.5, "b": 3, "c": [1, 2], "d": str(tmp_path)}


def test_csv_reads_back(show):
    rows = list(csv.DictReader(io.StringIO(show("csv"))))
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert float(rows[0]["mean_return"]) == 1.23456789
    assert rows[1]["n"] == ""


def test_information_goes_to_stderr(capsys):
    options.info("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.mark.parametrize("command", [
    ("ls",), ("show",), ("compare",), ("plot",), ("report",), ("export", "--to", "csv"),
    ("rm", "--yes"), ("archive", "-o", "x.tar.gz"), ("eval",)])
def test_a_path_without_a_run_is_refused_in_the_same_words(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "ok.yaml").write_text("schema: 1\n")
    for name, reason in (("nowhere", "no such file or directory"),
                         ("empty", "no run directory here"),
                         ("ok.yaml", "a file, no run directory")):
        result = erlctl(command[0], name, *command[1:])
        assert result.code == 1
        assert result.err == (f"no run found\n  {name}: {reason}\n"
                              "  fix: name a run, a variant, an experiment or a runs directory\n")
