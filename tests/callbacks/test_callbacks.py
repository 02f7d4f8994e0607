"""Callbacks: when they are called, how they stop a run, what happens when they are wrong."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from erlctl.callbacks import Callback, EarlyStopping
from erlctl.callbacks.reference import Reference, make, require_trust
from erlctl.errors import DomainError, ErlctlError
from erlctl.events import Evaluated
from erlctl.runs.layout import read_run_json
from erlctl.runs.tables import read_table
from tests.callbacks import ours

NOTES, FAILS = "tests.callbacks.ours:Notes", "tests.callbacks.ours:Fails"


def calls(path: Path) -> list[list[object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_callback_is_called_at_evaluations_checkpoints_and_the_end(watched, tmp_path):
    notes = tmp_path / "notes"
    assert watched.train(f"{NOTES},path={notes}", steps=200).outcome.status == "complete"
    made = calls(notes)
    assert made[0] == ["start", "watched/dqn/seed-0", 0]
    assert [step for what, step in made[1:-1] if what == "evaluation"] == [50, 100, 150, 200]
    assert [step for what, step in made[1:-1] if what == "checkpoint"] == [100, 200]
    assert made[-1] == ["end", "complete", "complete"]


def test_a_stop_is_complete_skipped_by_the_same_line_and_extended_by_more_steps(watched, tmp_path):
    notes = tmp_path / "notes"
    outcome = watched.train(f"{NOTES},path={notes},stop_at=150").outcome
    assert (outcome.status, outcome.step, outcome.stop.cause) == ("complete", 150, "callback")
    facts = read_run_json(watched.paths)
    assert (facts["status"], facts["step"], facts["total_steps"]) == ("complete", 150, 300)
    assert "stopped early: seen enough (tests.callbacks.ours:Notes" in facts["reason"]
    assert (watched.paths.policy / "saved_model.pb").exists()
    again = watched.train().outcome
    assert (again.status, again.step) == ("skipped", 150)
    more = watched.train(steps=350).outcome
    assert (more.status, more.step) == ("complete", 350)
    steps = read_table(watched.paths.evaluations).columns["step"]
    assert sorted(set(steps)) == [50, 100, 150, 200, 250, 300, 350]


@pytest.mark.parametrize("at", ["start", "evaluation", "checkpoint"])
def test_a_callback_that_raises_fails_the_run_with_its_name(watched, at):
    outcome = watched.train(f"{FAILS},at={at}").outcome
    assert outcome.status == "failed"
    assert f"callback {FAILS},at={at} raised ZeroDivisionError: in {at}" in outcome.message
    assert read_run_json(watched.paths)["status"] == "failed"
    assert "in _raise" in watched.paths.log.read_text()  # where it was


def test_a_callback_that_raises_at_the_end_fails_the_batch_and_not_the_data(watched):
    outcome = watched.train(f"{FAILS},at=end", steps=50).outcome
    assert outcome.status == "failed"
    assert "raised ZeroDivisionError: in end" in outcome.message
    assert read_run_json(watched.paths)["status"] == "complete"
    assert "in _raise" in watched.paths.log.read_text()


def test_what_a_callback_raises_at_the_end_does_not_hide_why_the_run_failed(watched):
    first, last = f"{FAILS},at=evaluation", f"{FAILS},at=end"
    outcome = watched.train(first, last).outcome
    assert outcome.status == "failed"
    assert "raised ZeroDivisionError: in evaluation" in outcome.message
    assert f"callback {last} raised ZeroDivisionError: in end" in watched.paths.log.read_text()


def test_who_began_is_told_the_end_whatever_the_others_do(watched, tmp_path):
    notes = f"{NOTES},path={tmp_path / 'notes'}"
    outcome = watched.train(f"{FAILS},at=end", notes, f"{FAILS},at=end,unused=1", steps=50).outcome
    assert outcome.status == "failed"
    assert f"callback {FAILS},at=end raised" in outcome.message  # the first
    assert calls(tmp_path / "notes")[-1] == ["end", "complete", "complete"]
    assert f"{FAILS},at=end,unused=1 raised" in watched.paths.log.read_text()


def test_who_did_not_begin_is_not_told_the_end(watched, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    outcome = watched.train(f"{NOTES},path={before}", "tests.callbacks.ours:NeverBegins",
                            f"{NOTES},path={after}").outcome
    assert "raised ConnectionError: no network" in outcome.message
    assert [what for what, *_ in calls(before)] == ["start", "end"]
    assert not after.exists()
    assert "told of the end" not in watched.paths.log.read_text()


def test_early_stopping_stops_a_run(watched):
    name = "erlctl.callbacks:EarlyStopping,patience=2,min_delta=1e6"
    outcome = watched.train(name).outcome
    assert (outcome.status, outcome.step) == ("complete", 150)  # the first is always better


def test_a_run_that_was_killed_after_the_evaluation_that_stops_it_stops_when_resumed(watched):
    name = "erlctl.callbacks:EarlyStopping,patience=2,min_delta=1e6"
    watched.train(steps=150)  # as a process that died before it could write that it stops
    outcome = watched.train(name).outcome
    assert (outcome.status, outcome.step) == ("complete", 150)
    assert "stopped early: no evaluation return above" in read_run_json(watched.paths)["reason"]


def evaluated(step: int, value: float) -> Evaluated:
    return Evaluated("run", step, 2, value, 0.0, 1.0)


def stops(callback: EarlyStopping, returns: list[float]) -> int | None:
    """Return the index of the evaluation that stops, None if none does."""
    for index, value in enumerate(returns):
        if callback.on_evaluation(None, evaluated(100 * (index + 1), value)):
            return index
    return None


@pytest.mark.parametrize(("options", "returns", "index"), [
    ({"patience": 2}, [1, 2, 2, 2, 3], 3),
    ({"patience": 2}, [1, 2, 1, 3, 2, 4, 3], None),
    ({"patience": 2, "min_delta": 1.0}, [1, 1.5, 2.0, 5], 2),
    ({"patience": 1, "min_steps": 400}, [1, 0, 0, 0], 3),
    ({"patience": None, "threshold": 3}, [1, 2, 3.5, 9], 2),
    ({"patience": 1}, [float("nan"), float("nan")], 0),
])
def test_early_stopping_decides(options, returns, index):
    assert stops(EarlyStopping(**options), returns) == index


def test_early_stopping_of_a_resumed_run_counts_what_was_before(watched):
    watched.train(steps=200)
    fresh, resumed = EarlyStopping(patience=10), EarlyStopping(patience=10)
    from erlctl.callbacks import RunInfo
    info = RunInfo(None, watched.paths)
    table = read_table(watched.paths.evaluations).columns
    for step in (50, 100):
        value = table["return"][table["step"] == step].mean()
        fresh.on_evaluation(info, evaluated(step, value))
    resumed.on_start(info, 100)  # the rows after the checkpoint are not its past
    assert vars(resumed) == vars(fresh)


@pytest.mark.parametrize(("options", "words"), [
    ({"patience": 0}, "patience"), ({"patience": True}, "patience"),
    ({"min_delta": -1}, "min_delta"),
    ({"threshold": "high"}, "threshold"), ({"min_steps": 1.5}, "min_steps"),
    ({"patience": None}, "given where there is no threshold"),
])
def test_early_stopping_refuses_what_makes_no_sense(options, words):
    with pytest.raises(DomainError, match=words):
        EarlyStopping(**options)


def test_a_reference_is_the_same_as_text_and_as_python():
    text = Reference.parse(f"{FAILS},at=end")
    assert text == Reference.of(functools.partial(ours.Fails, at="end"))
    assert Reference.of(ours.Fails) == Reference.parse(FAILS)
    assert str(text) == f"{FAILS},at=end"
    assert make(text).at == "end"
    assert Reference.parse("a:b,x=1,y=0.5,z=null,w=yes").options == {
        "x": 1, "y": 0.5, "z": None, "w": "yes"}


def test_a_file_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(Path(ours.__file__).read_text())
    monkeypatch.chdir(tmp_path)
    reference = Reference.parse("mine.py:Fails,at=start")
    require_trust([reference], ["mine.py"])
    monkeypatch.chdir("/")
    made = make(reference)
    assert isinstance(made, Callback)
    assert made.name == f"{tmp_path}/mine.py:Fails,at=start"


@pytest.mark.parametrize("text", ["noColon", ":x", "m:", "m:x,5", "m:x,=5"])
def test_what_names_no_callback_is_refused(text):
    with pytest.raises(DomainError, match="module:object"):
        Reference.parse(text)


@pytest.mark.parametrize("given", [
    lambda: None, 5, EarlyStopping(), functools.partial(EarlyStopping, 3),
    functools.partial(EarlyStopping, patience=object()),
])
def test_what_no_other_process_can_make_is_refused(given):
    with pytest.raises(DomainError, match=r"another process can make|JSON"):
        Reference.of(given)


def test_foreign_code_needs_a_word_and_ours_none():
    require_trust([Reference.parse("erlctl.callbacks:EarlyStopping")], [])
    require_trust([Reference.parse(NOTES)], ["tests"])
    require_trust([Reference.of(EarlyStopping)], ["erlctl.callbacks.early_stopping"])
    with pytest.raises(ErlctlError, match=r"--trust tests\.callbacks\.ours"):
        require_trust([Reference.parse(NOTES)], ["test"])
    with pytest.raises(ErlctlError, match=r"--trust .*erlctl\.py"):
        require_trust([Reference.parse("erlctl.py:X")], ["erlctl"])


@pytest.mark.parametrize("target", [
    "erlctl.launch.process:os.system", "erlctl.callbacks:mlflow.importlib.import_module",
    "erlctl.callbacks.reference:sys.exit",
])
def test_what_can_be_reached_through_ours_is_foreign_and_is_not_called(target):
    reference = Reference.parse(f"{target},command=true")
    with pytest.raises(ErlctlError, match=f"--trust {reference.module}"):
        require_trust([reference], [])
    with pytest.raises(ErlctlError, match="not a class of callbacks"):
        make(reference)


@pytest.mark.parametrize(("text", "words"), [
    ("tests.callbacks.ours:Nothing", "no attribute 'Nothing'"),
    ("tests.callbacks.nothing:X", "No module named"),
    ("tests.callbacks.ours:Fails,wrong=1", "unexpected keyword argument 'wrong'"),
    ("tests.callbacks.ours:no_callback", "it is a function, not a class of callbacks"),
    ("pathlib:Path.touch", "it is a function"), ("pathlib:Path", "it is a type"),
    ("os:sep", "it is a str"),
    ("erlctl.callbacks:EarlyStopping,patience=0", "patience must be a whole number"),
    ("/nowhere/x.py:X", "No such file"),
])
def test_a_callback_that_cannot_be_made_says_why(text, words):
    with pytest.raises(ErlctlError, match=r"^callback ") as caught:
        make(Reference.parse(text))
    assert words in str(caught.value)
