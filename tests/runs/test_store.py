from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

from erlctl.runs import store
from tests.runs.faults import Killed, count_operations, dying_at
from tests.runs.observe import names_in


def test_json_never_holds_nan(tmp_path):
    store.write_json(tmp_path / "a.json", {
        "a": math.nan, "b": [math.inf, 1.5], "c": {"d": np.float32("nan")}, "e": np.int64(3),
        "f": (True, None, "x"),
    })

    def refuse(text):
        raise AssertionError(text)

    loaded = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert loaded == {"a": None, "b": [None, 1.5], "c": {"d": None}, "e": 3, "f": [True, None, "x"]}


def test_a_name_that_is_not_unicode_can_be_written(tmp_path):
    store.write_json(tmp_path / "a.json", {"path": os.fsdecode(b"/data/\xff")})
    assert json.loads((tmp_path / "a.json").read_text())["path"].startswith("/data/")


def test_f2_a_file_holds_the_old_or_the_new_content_at_every_instant(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write():
        store.write_bytes(path, b"new")

    for nth in range(1, count_operations(write) + 1):
        path.write_bytes(b"old")
        with dying_at(nth), pytest.raises(Killed):
            write()
        assert path.read_bytes() in (b"old", b"new")
        store.sweep(tmp_path)
        assert names_in(tmp_path) == ["a"]


def test_f2_a_folder_is_there_with_everything_or_not_at_all(tmp_path):
    path = tmp_path / "a"

    def write():
        with store.new_folder(path) as folder:
            store.write_new(folder / "one", b"1")
            store.write_new(folder / "two", b"2")

    for nth in range(1, count_operations(write) + 1):
        store.remove(path)
        with dying_at(nth), pytest.raises(Killed):
            write()
        assert not path.exists() or names_in(path) == ["one", "two"]
        store.sweep(tmp_path)


def test_f2_an_error_of_any_operation_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a"

    def write():
        with store.new_folder(path) as folder:
            store.write_new(folder / "one", b"1")

    total = count_operations(write)
    for nth in range(1, total + 1):
        store.remove(path)
        with dying_at(nth, error=OSError(5, "Input/output error")):
            try:
                write()
            except OSError:
                assert nth <= total
        assert [name for name in names_in(tmp_path) if name != "a"] == []


def test_replacing_a_folder_never_removes_the_old_one_first(tmp_path):
    path = tmp_path / "a"

    def write(content):
        with store.new_folder(path) as folder:
            store.write_new(folder / "x", content)

    write(b"old")
    for nth in range(1, count_operations(lambda: write(b"new")) + 1):
        store.remove(path)
        store.sweep(tmp_path)
        write(b"old")
        with dying_at(nth), pytest.raises(Killed):
            write(b"new")
        contents = {(folder / "x").read_bytes() for folder in tmp_path.iterdir()
                    if (folder / "x").exists()}
        assert contents & {b"old", b"new"}


def test_removing_temporaries_follows_no_links(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.tmp-1-abc").symlink_to(tmp_path / "outside")
    store.sweep(tmp_path / "run")
    assert (tmp_path / "outside/file").read_text() == "precious"
    assert names_in(tmp_path / "run") == []


def test_f38_the_umask_is_respected(tmp_path):
    before = os.umask(0o027)
    try:
        store.write_bytes(tmp_path / "a", b"")
        with store.new_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o750
