"""Every published experiment is a valid spec, documented, and listed in the index."""

import re
from pathlib import Path

import pytest

from erlctl.spec import load

FOLDER = Path(__file__).resolve().parents[1] / "experiments"
FILES = sorted(FOLDER.rglob("*.yaml"))
IDS = [str(path.relative_to(FOLDER)) for path in FILES]


# What the experiment is there to show, or what the original repository did.
INTENDED_WARNINGS = {
    "dpp_divergence.yaml": ("fall without end",),
    "deep_dpp.yaml": ("fall without end",),
    "cartpole_family.yaml": ("neither DPP", "counts as a whole iteration k"),
}


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_experiment_is_a_valid_spec_without_unintended_warnings(path):
    experiment = load(path)
    assert experiment.runs
    intended = INTENDED_WARNINGS.get(path.name, ())
    assert not [text for text in experiment.warnings if not any(i in text for i in intended)]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_experiment_begins_by_saying_what_it_is(path):
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_names_are_those_of_the_files_and_unique():
    names = [load(path).name for path in FILES]
    assert len(set(names)) == len(names), "two experiments would share a folder of runs"


def test_index_lists_every_file_and_no_other():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[[^\]]+\]\(([^)]+)\)", index, flags=re.MULTILINE)) == set(IDS)


def test_quickstart_stays_within_what_the_readme_promises():
    experiment = load(FOLDER / "quickstart.yaml")
    assert {run.agent.registered_name for run in experiment.runs} == {"dqn", "munchausen_dqn"}
    assert len(experiment.runs) == 6
    updates = [run.training.steps // run.training.train_every for run in experiment.runs]
    assert max(updates) <= 50_000
