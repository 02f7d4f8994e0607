"""Whatever happens to the files of a run, the others are compared and nothing raises."""

from __future__ import annotations

import pytest

from erlctl.analysis import render
from erlctl.analysis.comparison import compare
from erlctl.analysis.data import METRICS
from erlctl.analysis.figures import curves
from erlctl.analysis.load import load
from erlctl.analysis.scores import Scoring
from tests.analysis import synthetic

FILES = ("spec", "run_json", "evaluations", "progress")
DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: b"\0" * len(content),
    "binary": lambda content: bytes(range(256)) * 4,
    "nan": lambda content: content.replace(b"1", b"nan", 20),
    "infinite": lambda content: content.replace(b"1", b"1e999", 20),
    "huge": lambda content: content.replace(b"1", b"1e308", 20),
    "doubled commas": lambda content: content.replace(b",", b",,", 7),
    "deep": lambda content: b"[" * 100_000,
}


@pytest.mark.parametrize("metric", ["return", "loss"])
@pytest.mark.parametrize("damage", sorted(DAMAGE))
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_costs_at_most_its_own_run(runs_dir, name, damage, metric):
    synthetic.write_group(runs_dir, "good", [100.0, 110, 120])
    paths, *_ = synthetic.write_group(runs_dir, "hurt", [100.0, 110, 120])
    file = getattr(paths, name)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    loaded = load([runs_dir])
    comparison = compare(loaded, Scoring(metric=METRICS[metric]))
    groups = {}
    for block in comparison.blocks:
        for group in block.groups:
            groups[group.variant] = groups.get(group.variant, 0) + group.num_used
    assert groups["good"] == 3
    assert sum(len(g.scores) for b in comparison.blocks for g in b.groups) == 6
    for show in render.FORMATS.values():
        assert show(comparison, render.Layout())


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_a_damaged_table_can_still_be_drawn(runs_dir, damage):
    synthetic.write_group(runs_dir, "good", [100.0, 110, 120])
    (paths,) = synthetic.write_group(runs_dir, "hurt", [100.0])
    paths.evaluations.write_bytes(DAMAGE[damage](paths.evaluations.read_bytes()))
    assert curves.curves(load([runs_dir]).runs).render("svg")


@pytest.mark.parametrize("name", [*FILES, "monitor"])
def test_a_folder_in_place_of_a_file_is_not_fatal(runs_dir, name):
    synthetic.write_group(runs_dir, "good", [100.0, 110, 120])
    (paths,) = synthetic.write_group(runs_dir, "hurt", [100.0])
    getattr(paths, name).unlink(missing_ok=True)
    getattr(paths, name).mkdir()
    assert compare(load([runs_dir]), Scoring()).num_used >= 3
