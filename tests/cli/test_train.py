"""`erlctl train` around fake workers: what is planned, printed, refused and reported."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from erlctl.launch import machine, pool
from erlctl.launch.process import WorkerProcess
from tests.cli.helpers import Result, erlctl
from tests.launch.specs import TWO_PROGRAMS, start_fake, write_spec


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a spec file."""
    return partial(write_spec, tmp_path)


@pytest.fixture
def train(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return a function that calls `erlctl train` with fake workers."""
    monkeypatch.setenv("FAKE_COMPILATIONS", str(tmp_path / "compilations"))
    monkeypatch.setitem(pool.run_all.__kwdefaults__, "start_worker", start_fake)

    def call(*arguments: object) -> Result:
        return erlctl("train", *arguments, "--runs-dir", runs_dir)

    return call


def rows(result: Result) -> list[dict[str, object]]:
    return json.loads(result.out)["rows"]


def test_train_reports_every_run_and_how_to_compare(train, make_spec, runs_dir):
    result = train(make_spec(seeds=2), "--format", "json")
    assert result.code == 0
    assert [(row["run"], row["status"], row["step"]) for row in rows(result)] == [
        ("demo/dqn/seed-0", "complete", 20), ("demo/dqn/seed-1", "complete", 20)]
    assert json.loads(result.out)["exit_code"] == 0
    assert f"compare: erlctl compare {runs_dir}/demo" in result.err


def test_training_again_skips_and_starts_no_worker(train, make_spec, monkeypatch):
    path = make_spec(seeds=2)
    train(path)
    monkeypatch.setitem(pool.run_all.__kwdefaults__, "start_worker",
                        partial(WorkerProcess, command=("/does/not/exist",)))
    result = train(path, "--format", "json")
    assert result.code == 0
    assert [row["status"] for row in rows(result)] == ["skipped", "skipped"]


def test_a_failed_run_is_named_in_the_table_and_the_code(train, make_spec, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "1:raise")
    result = train(make_spec(seeds=3))
    assert result.code == 3
    lines = [line.split() for line in result.out.splitlines()]
    assert any(line[:2] == ["demo/dqn/seed-1", "failed"] for line in lines)
    assert "demo/dqn/seed-1: RuntimeError: the environment broke" in result.out
    assert "1 of 3 runs did not end well" in result.err


def test_only_divergence_gives_4(train, make_spec, monkeypatch):
    monkeypatch.setenv("FAKE_TROUBLE", "0:diverge")
    assert train(make_spec(seeds=1)).code == 4


def test_the_time_budget_gives_75_and_says_how_to_go_on(train, make_spec):
    result = train(make_spec(steps=2000), "--max-seconds", "1")
    assert result.code == 75
    assert "to go on: the same line again" in result.err


def test_plain_output_holds_no_escape_codes(train, make_spec):
    result = train(make_spec())
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("option", ["--dry-run", "--print-commands"])
def test_dry_run_and_print_commands_write_nothing(train, make_spec, runs_dir, option):
    assert train(make_spec(), option).code == 0
    assert not runs_dir.exists()


def test_dry_run_says_what_would_be_done_with_each_run(train, make_spec):
    path = make_spec(seeds=2)
    train(path, "--array-index", 0)
    result = train(path, "--dry-run", "--format", "json")
    assert [(row["action"], row["status"]) for row in rows(result)] == [
        ("skip", "complete"), ("start", "pending")]
    fresh = rows(train(path, "--dry-run", "--fresh", "--format", "json"))
    assert [row["action"] for row in fresh] == ["restart", "start"]


def test_dry_run_estimates_the_replay(train, make_spec):
    # capacity 50,000 x (2 x 4 float32 observations + 25 bytes of the rest)
    estimate = rows(train(make_spec(), "--dry-run", "--format", "json"))[0]["replay_mb"]
    assert estimate == pytest.approx(50_000 * (2 * 16 + 25) / 1e6, abs=0.1)


def test_each_printed_command_trains_exactly_its_run(train, make_spec):
    path = make_spec(seeds=2, sweep=TWO_PROGRAMS)
    lines = train(path, "--print-commands", "--set", "training.steps=7").out.splitlines()
    trained = []
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["erlctl", "train"]
        result = erlctl(*words[1:], "--format", "json")
        assert result.code == 0
        (row,) = rows(result)
        assert (row["status"], row["steps"]) == ("complete", 7)
        trained.append(row["run"])
    everything = rows(train(path, "--set", "training.steps=7", "--format", "json"))
    assert trained == [row["run"] for row in everything]
    assert {row["status"] for row in everything} == {"skipped"}


def test_printed_commands_survive_a_shell(train, tmp_path, make_spec):
    path = make_spec(name="it's a $HOME; spec.yaml")
    (line,) = train(path, "--print-commands", "--set", "network.hidden=[8, 8]").out.splitlines()
    words = shlex.split(line)
    assert str(path) in words
    assert "network.hidden=[8, 8]" in words


def test_an_array_index_beyond_the_runs_is_refused(train, make_spec):
    result = train(make_spec(seeds=3), "--array-index", 3)
    assert result.code == 2
    assert "0 to 2" in result.err


def test_two_files_of_one_name_are_refused(train, make_spec, runs_dir):
    result = train(make_spec(name="a.yaml"), make_spec(name="b.yaml", steps=30))
    assert result.code == 2
    assert "b.yaml: name: 'demo' is the name of" in result.err
    assert not runs_dir.exists()


def test_a_file_listed_twice_is_refused(train, make_spec):
    path = make_spec()
    assert train(path, path).code == 2


def test_a_changed_spec_is_refused_with_the_difference(train, make_spec):
    path = make_spec()
    train(path)
    result = train(path, "--set", "agent.gamma=0.5")
    assert result.code == 2
    assert "-  gamma: 0.99" in result.err
    assert "+  gamma: 0.5" in result.err
    assert "--fresh" in result.err


def test_mistakes_of_all_files_are_reported_at_once(train, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nagent: {{algorithm: dqn}}\nx: 1\n")
    result = train(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert result.code == 2
    assert "a.yaml:3:1" in result.err
    assert "b.yaml:3:1" in result.err


def test_a_runs_directory_that_cannot_be_made_is_said_before_any_worker_starts(
    train, make_spec, tmp_path
):
    (tmp_path / "file").write_text("")
    result = erlctl("train", make_spec(), "--runs-dir", tmp_path / "file" / "runs")
    assert result.code == 1
    assert "a file is in the way" in result.err


def test_printed_commands_pass_every_option_on_and_share_the_cores(
    train, make_spec, runs_dir, monkeypatch
):
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    given = ["--max-seconds", "3500.5", "--max-memory", "2", "--fail-fast", "--fresh", "--quiet",
             "--trust", "a.b", "--seeds", "0-1", "--set", "agent.gamma=0.5", "--launcher", "local"]
    lines = train(make_spec(), "--print-commands", "--jobs", 4, *given).out.splitlines()
    assert len(lines) == 2
    words = shlex.split(lines[1])
    assert sorted(words[3:-6]) == sorted([*given, "--runs-dir", str(runs_dir)])
    for option, value in (("--max-seconds", "3500.5"), ("--trust", "a.b"), ("--max-memory", "2")):
        assert words[words.index(option) + 1] == value
    assert words[-6:] == ["--jobs", "1", "--cores", "2", "--array-index", "1"]


def test_the_budget_counts_from_the_start_of_the_command(train, make_spec, monkeypatch):
    monkeypatch.setenv("FAKE_IMPORT_SECONDS", "30")
    result = train(make_spec(steps=2000), "--max-seconds", "1")
    assert result.code == 75
    assert "counts from the start of the command) before the first step" in result.err
    assert rows(train(make_spec(steps=2000), "--max-seconds", "1", "--format", "json"))[0][
        "status"] == "interrupted"


@pytest.mark.parametrize(("arguments", "words"), [
    (["--launcher", "locl"], "did you mean 'local'"),
    (["--launcher-option", "cores=3"], "--launcher-option[1]: cores"),
])
def test_an_unknown_launcher_or_option_is_refused(train, make_spec, runs_dir, arguments, words):
    result = train(make_spec(), *arguments)
    assert result.code == 2
    assert words in result.err
    assert not runs_dir.exists()


def test_a_complete_run_goes_on_with_more_steps(train, make_spec):
    train(make_spec(steps=20))
    path = make_spec(steps=30)
    (planned,) = rows(train(path, "--dry-run", "--format", "json"))
    assert (planned["action"], planned["step"]) == ("extend", 20)
    (row,) = rows(train(path, "--format", "json"))
    assert (row["status"], row["step"]) == ("complete", 30)


def test_variant_and_where_choose_runs_also_for_printed_commands(train, make_spec):
    path = make_spec(seeds=2, sweep="sweep: {agent.gamma: [0.9, 0.99], agent.n_step: [1, 2]}")
    chosen = ("--where", "agent.gamma=0.99", "--variant", "*=2")
    result = train(path, *chosen, "--dry-run", "--format", "json")
    runs = [row["run"].split("/")[-2:] for row in rows(result)]
    name = "dqn,gamma=0.99,n_step=2"
    assert runs == [[name, "seed-0"], [name, "seed-1"]]
    lines = train(path, *chosen, "--print-commands").out.splitlines()
    assert len(lines) == 2
    for line, (_, seed) in zip(lines, runs, strict=True):
        again = train(*shlex.split(line)[2:], "--dry-run", "--format", "json")
        assert [row["run"].split("/")[-1] for row in rows(again)] == [seed]
    nothing = train(path, "--variant", "gamma=1")
    assert nothing.code == 1
    assert "none of the 8 runs is selected" in nothing.err


def test_a_callback_needs_trust_and_a_right_name(train, make_spec, runs_dir):
    path = make_spec()
    refused = train(path, "--callback", "somebody:Thing")
    assert refused.code == 1
    assert "--trust somebody" in refused.err
    assert train(path, "--callback", "somebody").code == 2
    assert "No module named 'somebody'" in train(
        path, "--callback", "somebody:Thing", "--trust", "somebody").err
    assert not runs_dir.exists()
