"""Rows in every format; stdout carries data."""

import csv
import io
import json
import math

import numpy as np
import pytest

from erlctl.analysis import text
from erlctl.cli import options

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


def test_short_and_long_tables_off_a_terminal_look_the_same(show, monkeypatch):
    rows = [{"id": "a b", "n": 3, "hidden": [64, 32]}, {"mean_return": 1.5, "ok": False}]
    own = show("table", rows, "a title"), show("table", [])
    monkeypatch.setattr(text, "_is_simple", lambda _: False)  # so that rich writes them
    assert (show("table", rows, "a title"), show("table", [])) == own


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
