"""Searches with real Optuna studies: budgets, resumption, pruning, fairness."""

from __future__ import annotations

import json
from collections import Counter

import optuna
import pytest

from erlctl import spec
from erlctl.errors import DamagedError, SpecChangedError
from erlctl.tuning.best import best_spec
from erlctl.tuning.study import open_journal
from tests.tuning.conftest import SPACE, SPEC, goodness

COMPLETE, PRUNED = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED


def tuning_of(search, variant):
    return json.loads((search.runs_dir / "found" / variant / "tuning.json").read_text())


def test_every_trial_is_an_ordinary_experiment_and_the_study_optunas(make):
    search = make()
    assert search.run() == 0
    trials = search.trials()
    assert [trial.state for trial in trials] == [COMPLETE] * 12
    for trial in trials:
        variant = f"trial-{trial.number:04d}"
        folders = sorted(p.name for p in (search.runs_dir / "found" / variant).iterdir())
        assert folders == ["seed-0", "seed-1", "tuning.json"]
        facts = tuning_of(search, variant)
        assert facts["params"] == trial.params
        assert facts["value"] == trial.value
        assert facts["state"] == "complete"
        settings = search.studies[0].branch.settings(trial.params)
        assert trial.value == pytest.approx(goodness(settings) + 0.005)  # the mean of two seeds


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes"])
@pytest.mark.parametrize("dies_at", [1, 7])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(make, sampler, dies_at):
    text = SPEC + SPACE.replace("sampler: random", f"sampler: {sampler}")
    undisturbed = make(text, "undisturbed")
    undisturbed.run()
    killed = make(text)
    killed.fake.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    again = make(text)
    assert again.run() == 0
    assert [t.params for t in again.trials()] == [t.params for t in undisturbed.trials()]
    assert [t.value for t in again.trials()] == [t.value for t in undisturbed.trials()]
    trained = Counter(label for call in again.fake.calls for label, _ in call)
    assert set(trained.values()) == {1}
    assert len(trained) == 2 * (12 - dies_at + 1)
    assert make(text).run() == 0
    assert len(again.trials()) == 12


def test_a_trial_that_was_killed_between_two_of_its_values_gets_the_other(make):
    search = make()
    folder = search.runs_dir / "found"
    folder.mkdir(parents=True)
    study = optuna.create_study(storage=open_journal(folder), study_name="search",
                                direction="maximize")
    half = study.ask()
    value = half.suggest_float("agent.temperature", 1e-3, 1, log=True)
    assert search.run() == 0
    trials = search.trials()
    assert len(trials) == 12
    assert trials[0].params["agent.temperature"] == value
    assert "agent.alpha" in trials[0].params


def test_a_line_of_the_journal_that_was_not_finished_is_cut_off(make):
    make().run()
    search = make()
    journal = search.runs_dir / "found" / "study.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"work')
    more = make(SPEC + SPACE.replace("trials: 12", "trials: 13"))
    assert more.run() == 0
    assert journal.read_bytes().startswith(whole)
    assert len(more.trials()) == 13


def test_optunas_lock_of_a_killed_process_is_not_waited_for(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "found"
    folder.mkdir(parents=True)
    # As Optuna's is with a relative --runs-dir: its target, read from its own folder, is nowhere.
    (folder / "study.log.lock").symlink_to("runs/found/study.log")
    assert make().run() == 0
    assert not (folder / "study.log.lock").is_symlink()


@pytest.mark.parametrize("damage", [b'{"op_code":4,"work', b"\xff\x00", b"{}", b"[4]", b""])
@pytest.mark.parametrize("line", [5, -1])
def test_a_damaged_line_of_the_journal_is_named_and_nothing_is_changed(make, damage, line):
    make().run()
    search = make()
    journal = search.runs_dir / "found" / "study.log"
    lines = journal.read_bytes().split(b"\n")[:-1]
    lines[line] = damage
    journal.write_bytes(damaged := b"\n".join([*lines, b""]))
    with pytest.raises(DamagedError, match=rf"(?s)study\.log:{lines.index(damage) + 1}: .*copy"):
        search.run()
    assert journal.read_bytes() == damaged
    assert search.fake.calls == []


@pytest.mark.parametrize(("stops_at", "code"), [(3, 130), (12, 0)])
def test_a_signal_after_the_last_run_of_a_round_counts_while_trials_remain(make, stops_at, code):
    search = make()
    search.fake.stops_at = stops_at
    assert search.run() == code
    assert len(search.fake.calls) == stops_at
    assert make().run() == 0
    assert len(search.trials()) == 12


def test_a_signal_ends_a_search_whose_trials_are_begun_and_not_ended(make):
    search = make(SPEC + SPACE.replace(
        "sampler: random", "sampler: random\n  pruner: successive_halving").replace("12", "1"))
    search.fake.stops_at = 1  # at the first of its rungs
    assert search.run() == 130


def test_a_trial_that_failed_in_an_earlier_round_is_told_with_the_last(make):
    search = make()
    search.fake.status_of = lambda run: "failed" if run.variant == "trial-0001" else "complete"
    search.fake.stops_at = 12
    assert search.run() == 3


def test_more_trials_extend_a_search_and_another_space_is_refused(make):
    make().run()
    more = make(SPEC + SPACE.replace("trials: 12", "trials: 15"))
    assert more.run() == 0
    assert len(more.fake.calls) == 3
    other = make(SPEC + SPACE.replace("high: 1, log", "high: 2, log"))
    with pytest.raises(SpecChangedError, match=r"\+ +high: 2\.0"):
        other.run()
    assert len(more.trials()) == 15


def test_successive_halving_ends_trials_at_a_third_and_extends_the_others(make):
    text = SPEC + SPACE.replace("sampler: random", "sampler: random\n  pruner: successive_halving")
    search = make(text)
    assert search.run() == 0
    states = Counter(trial.state for trial in search.trials())
    assert states[PRUNED] > 0
    assert states[COMPLETE] > 0
    for trial in search.trials():
        label = f"found/trial-{trial.number:04d}/seed-0"
        steps = [n for call in search.fake.calls for name, n in call if name == label]
        assert steps == [1000, 3000, 9000][:len(trial.intermediate_values)]
        assert (steps[-1] == 9000) == (trial.state == COMPLETE)
    best = max(search.trials(), key=lambda trial: trial.value)
    assert best.state == COMPLETE


def test_a_diverged_trial_is_worse_than_all_and_a_failed_one_is_tried_again(make):
    search = make()

    def status_of(run):
        if run.variant == "trial-0003":
            return "diverged" if run.seed else "complete"
        return "failed" if run.variant == "trial-0005" and run.seed else "complete"

    search.fake.status_of = status_of
    assert search.run() == 3
    trials = search.trials()
    assert trials[3].state == PRUNED
    assert trials[3].user_attrs["reason"] == "diverged"
    assert trials[5].state == optuna.trial.TrialState.RUNNING
    assert len(trials) == 12
    again = make()
    assert again.run() == 0
    assert [label for call in again.fake.calls for label, _ in call] == [
        "found/trial-0005/seed-0", "found/trial-0005/seed-1"]


def test_a_grid_has_each_of_its_points_once(make):
    search = make(SPEC + """
search:
  sampler: grid
  space:
    agent.alpha: {type: float, low: 0, high: 1, step: 0.5}
    network.hidden: {type: categorical, choices: [[8], [16, 16]]}
""")
    assert search.run(at_once=4) == 0
    assert [tuple(trial.params.values()) for trial in search.trials()] == [
        (0.0, "[8]"), (0.0, "[16, 16]"), (0.5, "[8]"), (0.5, "[16, 16]"), (1.0, "[8]"),
        (1.0, "[16, 16]")]
    hidden = search.studies[0].branch.settings(search.trials()[1].params).network.hidden
    assert hidden == (16, 16)


def test_cmaes_comes_close_and_leaves_no_pickle_in_the_journal(make):
    text = SPEC + SPACE.replace("sampler: random", "sampler: cmaes").replace("12", "60")
    search = make(text)
    search.run()
    first, last = search.trials()[:6], search.trials()[-6:]
    assert min(t.value for t in last) > max(99.0, sum(t.value for t in first) / 6)
    for line in (search.runs_dir / "found" / "study.log").read_text().splitlines():
        assert "system_attr" not in json.dumps(json.loads(line))


FAIR = SPEC.replace("agent: {algorithm: munchausen_dqn}", "") + SPACE.replace(
    "search:", "sweep: {agent.algorithm: [munchausen_dqn, soft_dqn]}\nsearch:")


def test_every_algorithm_gets_the_same_budget_and_a_space_of_its_own(make):
    search = make(FAIR)
    assert any("left out for soft_dqn" in text and "agent.alpha" in text
               for text in search.experiment.warnings)
    assert search.run() == 0
    both, one = search.trials("munchausen_dqn"), search.trials("soft_dqn")
    assert len(both) == len(one) == 12
    assert {tuple(trial.params) for trial in one} == {("agent.temperature",)}
    assert {tuple(trial.params) for trial in both} == {("agent.temperature", "agent.alpha")}


def test_the_best_settings_are_a_spec_with_fresh_seeds_that_tells_its_tuning(make, tmp_path):
    search = make(FAIR)
    search.run()
    text = best_spec(search.studies)
    assert "optimistic" in text
    path = tmp_path / "best.yaml"
    path.write_text(text)
    best = spec.load(path)
    assert {run.seed for run in best.runs} == set(range(2, 12))
    assert best.tuned == {"munchausen_dqn": 12, "soft_dqn": 12}
    assert best.search is None
    for study in search.studies:
        (run,) = [run for run in best.runs
                  if run.variant == study.branch.variant and run.seed == 2]
        trial = max(search.trials(study.branch.variant), key=lambda t: t.value)
        assert goodness(run) - 0.01 * run.seed == pytest.approx(trial.value - 0.005)
