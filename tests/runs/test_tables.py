from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from erlctl.runs import tables
from erlctl.runs.tables import TableWriter, read_table

COLUMNS = ("step", "return", "loss")


def write(path, rows, **kwargs):
    writer = TableWriter(path, COLUMNS, **kwargs)
    for row in rows:
        writer.append(row)
    writer.close()
    return writer.offset


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    values = [0.1, 1 / 3, 1e-300, -5e17, 123456789.123456789]
    write(tmp_path / "t.csv", [{"step": i, "return": v} for i, v in enumerate(values)])
    table = read_table(tmp_path / "t.csv")
    assert table.columns["return"].tolist() == values
    assert table.columns["step"].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(table.columns["loss"]).all()
    assert table.problems == []
    assert len(table) == 5


def test_numpy_scalars_are_written_with_their_own_precision(tmp_path):
    write(tmp_path / "t.csv", [{"step": np.int64(3), "return": np.float32(0.1), "loss": None}])
    assert (tmp_path / "t.csv").read_text() == "step,return,loss\n3,0.1,\n"


def test_offset_counts_rows_that_are_still_in_memory(tmp_path):
    writer = TableWriter(tmp_path / "t.csv", COLUMNS)
    writer.append({"step": 1})
    assert (tmp_path / "t.csv").stat().st_size == 0
    writer.flush()
    assert (tmp_path / "t.csv").stat().st_size == writer.offset
    writer.close()


def test_truncating_to_an_offset_forgets_later_rows(tmp_path):
    writer = TableWriter(tmp_path / "t.csv", COLUMNS)
    writer.append({"step": 1})
    offset = writer.offset
    writer.append({"step": 2})
    writer.flush()
    writer.append({"step": 3})
    writer.truncate(offset)
    writer.append({"step": 4})
    writer.close()
    assert (tmp_path / "t.csv").read_text() == "step,return,loss\n1,,\n4,,\n"


def test_an_existing_file_is_continued_under_its_own_header(tmp_path):
    write(tmp_path / "t.csv", [{"step": 1, "return": 2}])
    writer = TableWriter(tmp_path / "t.csv", ("step", "new"))
    writer.append({"step": 2, "return": 3, "new": 4})
    writer.close()
    assert (tmp_path / "t.csv").read_text() == "step,return,loss\n1,2,\n2,3,\n"


@pytest.mark.parametrize("leftover", ["", "step,ret", "#{\"t_start\": 1}\nr,l"])
def test_a_torn_header_is_written_again(tmp_path, leftover):
    (tmp_path / "t.csv").write_text(leftover)
    write(tmp_path / "t.csv", [], preamble="#{}")
    assert (tmp_path / "t.csv").read_text() == "#{}\nstep,return,loss\n"


def test_continuing_after_a_torn_line_does_not_glue_rows(tmp_path):
    (tmp_path / "t.csv").write_text("step,return,loss\n1,2,3\n2,3")
    write(tmp_path / "t.csv", [{"step": 2}])
    assert (tmp_path / "t.csv").read_text() == "step,return,loss\n1,2,3\n2,,\n"


def test_a_write_that_fails_half_way_leaves_whole_lines_and_can_be_repeated(tmp_path, monkeypatch):
    writer = TableWriter(tmp_path / "t.csv", COLUMNS)
    writer.append({"step": 1})
    writer.flush()
    before = (tmp_path / "t.csv").read_bytes()
    writer.append({"step": 2})
    real = os.write
    state = {"calls": 0}

    def full_disk(descriptor, data):
        state["calls"] += 1
        if state["calls"] == 1:
            return real(descriptor, data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    monkeypatch.setattr(os, "write", real)
    assert (tmp_path / "t.csv").read_bytes() == before
    writer.close()
    assert (tmp_path / "t.csv").read_text().endswith("1,,\n2,,\n")


@pytest.mark.parametrize(("text", "steps", "problem"), [
    ("step,return\n1,2\n2,", [1], "torn last line"),
    ("step,return\n1,2\n2,3\0\0\0\0", [1], "NUL"),
    ("step,return\n1,2\n\0\0\0\0\0", [1], "NUL"),
    ("step,return\r\n1,2\r\n2,3\r\n", [1, 2], None),
    ("step,return\n1,2\n1,2,3\n4,5\n", [1, 4], "line 3"),
    ("step,return\n1,2\nx,3\n4,5\n", [1, 4], "line 3"),
    ("step,return\n1\n2,3,4\n5,6\n", [5], "2 damaged lines"),
    ("step,return\n1,2\n\n2,3\n", [1, 2], None),
    ("\ufeffstep,return\n1,2\n", [1], None),
    ("step,return\n", [], None),
])
def test_f9_damaged_lines_are_left_out_and_reported(tmp_path, text, steps, problem):
    (tmp_path / "t.csv").write_bytes(text.encode())
    table = read_table(tmp_path / "t.csv")
    assert table.columns["step"].tolist() == steps
    if problem is None:
        assert table.problems == []
    else:
        assert any(problem in line for line in table.problems)


@pytest.mark.parametrize("content", [b"\0" * 100, b"\xff\xfe\x00", b"a,a\n1,2\n", b"\n\n"])
def test_files_without_a_header_are_tables_without_columns(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    table = read_table(tmp_path / "t.csv")
    assert table.columns == {}
    assert table.problems


def test_an_empty_file_is_a_run_that_has_just_begun(tmp_path):
    (tmp_path / "t.csv").touch()
    assert read_table(tmp_path / "t.csv") == tables.Table()


def test_f14_links_pipes_and_huge_sparse_files_are_not_read(tmp_path):
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.csv")
    with (tmp_path / "sparse.csv").open("wb") as file:
        file.truncate(2**40)
    started = time.monotonic()
    for name in ("link.csv", "pipe.csv", "sparse.csv", "missing.csv"):
        table = read_table(tmp_path / name)
        assert len(table) == 0
        assert table.problems
    assert time.monotonic() - started < 1


def test_a_link_is_never_written_through(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "t.csv").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        TableWriter(tmp_path / "t.csv", COLUMNS)
    assert (tmp_path / "victim").read_text() == "precious"


def test_the_preamble_is_kept_apart(tmp_path):
    write(tmp_path / "t.csv", [{"step": 1}], preamble='#{"t_start": 1.5}')
    table = read_table(tmp_path / "t.csv")
    assert table.preamble == '#{"t_start": 1.5}'
    assert table.columns["step"].tolist() == [1]


def test_reading_is_fast_enough_for_thousands_of_files(tmp_path):
    columns = tables.progress_columns(())
    writer = TableWriter(tmp_path / "t.csv", columns)
    for step in range(1000):
        writer.append(dict.fromkeys(columns, step / 7))
    writer.close()
    started = time.perf_counter()
    for _ in range(5):
        read_table(tmp_path / "t.csv")
    assert (time.perf_counter() - started) / 5 < 0.05  # measured: 0.004


def test_diagnostics_of_an_algorithm_stand_between_the_fixed_columns():
    columns = tables.progress_columns(["step", "loss", "quantile_spread", "epsilon"])
    assert columns[0] == "step"
    assert columns[-1] == "wall_seconds"
    assert columns.count("loss") == 1
    assert "quantile_spread" in columns


@pytest.mark.parametrize("module", [
    "layout", "tables", "lock", "store", "record", "catalogue", "manifest", "fsck", "provenance",
    "preflight", "spec_file", "execute",
])
def test_light_modules_do_not_import_tensorflow(module):
    code = (f"import sys, erlctl.runs.{module};"
            "sys.exit('tensorflow' in sys.modules or 'tensorboard' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reading_some_columns_gives_what_reading_all_gives(tmp_path):
    for number, text in enumerate(["a,b,c\n1,,3\n4,5,6\n", "a,b,c\n1,x,3\n4,5,6\n", "a,b,c\n"]):
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        some, everything = read_table(path, {"c", "a", "missing"}), read_table(path)
        assert list(some.columns) == ["a", "c"]
        for name, values in some.columns.items():
            np.testing.assert_array_equal(values[-1:], everything.columns[name][-1:])
