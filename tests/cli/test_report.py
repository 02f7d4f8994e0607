"""erlctl report: one file."""

from __future__ import annotations

from tests.analysis import synthetic
from tests.cli.helpers import erlctl


def test_a_page_is_written_with_links_relative_to_it(runs_dir, tmp_path):
    synthetic.write_group(runs_dir, "dqn", [100.0, 110, 120])
    page = tmp_path / "pages" / "report.html"
    page.parent.mkdir()
    result = erlctl("report", runs_dir, "-o", page)
    assert (result.code, result.err, result.out.strip()) == (0, "", str(page))
    text = page.read_text()
    assert 'href="../runs/family/dqn/seed-0/"' in text
    assert "<h1>family</h1>" in text


def test_the_page_can_go_to_standard_output(runs_dir):
    synthetic.write_run(runs_dir)
    result = erlctl("report", runs_dir, "-o", "-", "--title", "Mine")
    assert result.code == 0
    assert result.out.startswith("<!DOCTYPE html>")
    assert "<h1>Mine</h1>" in result.out


def test_a_folder_that_does_not_exist_is_said(runs_dir, tmp_path):
    synthetic.write_run(runs_dir)
    result = erlctl("report", runs_dir, "-o", tmp_path / "no" / "report.html")
    assert result.code == 1
    assert "No such file" in result.err


def test_no_run_is_an_error_of_the_user(tmp_path):
    assert erlctl("report", tmp_path).code == 1
