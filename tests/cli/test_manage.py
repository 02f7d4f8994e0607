"""Runs that are selected, noted, tagged, packed and deleted."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
import threading
import warnings

import click
import pytest
from click.testing import CliRunner

from erlctl.cli import COMMANDS, group, options
from erlctl.errors import DamagedError
from erlctl.runs import archive, lock, notes
from erlctl.runs.layout import RunPaths
from tests.analysis import synthetic
from tests.cli.helpers import erlctl


@pytest.fixture
def sweep(runs_dir):
    for temperature in ("0.01", "0.3", "0.03"):
        for seed in (0, 1, 2):
            synthetic.write_run(runs_dir, variant=f"dqn,temperature={temperature}", seed=seed,
                                extra=f", temperature: {temperature}")
    synthetic.write_run(runs_dir, variant="dpp", seed=0)
    return runs_dir


def variants(*arguments):
    result = erlctl("ls", *arguments, "--format", "json")
    assert result.code == 0, result.err
    return [row["variant"] for row in json.loads(result.out)["rows"]]


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def test_variants_are_sorted_by_their_numbers(sweep):
    names = list(dict.fromkeys(variants(sweep)))
    expected = ["dpp", *(f"dqn,temperature={t}" for t in ("0.01", "0.03", "0.3"))]
    assert names == expected
    assert list(dict.fromkeys(variants(sweep, "--sort", "variant"))) == expected


@pytest.mark.parametrize(("options", "number"), [
    (["--variant", "dpp"], 1), (["--variant", "dqn*"], 9),
    (["--variant", "dpp", "--variant", "*=0.03"], 4),
    (["--where", "agent.temperature=0.03"], 3), (["--where", "agent.temperature=3e-2"], 3),
    (["--where", "agent.temperature=0.3", "--where", "agent.gamma=0.99"], 3),
    (["--where", "environment.id=CartPole-v1", "--variant", "dpp"], 1),
    (["--where", "training.batch_size=64"], 10),
])
def test_ls_selects_by_variant_and_by_what_the_spec_says(sweep, options, number):
    assert len(variants(sweep, *options)) == number


@pytest.mark.parametrize("command", [
    ["compare"], ["plot", "-o", "OUT/x.svg"], ["report", "-o", "OUT/x.html"],
    ["export", "--to", "csv", "-o", "OUT/x"],
])
def test_every_command_that_reads_runs_selects_alike(sweep, command, tmp_path):
    words = [word.replace("OUT", str(tmp_path)) for word in command]
    result = erlctl(words[0], sweep, *words[1:], "--where", "agent.temperature=0.03")
    assert result.code == 0, result.err
    text = result.out if words[0] == "compare" else b"".join(
        snapshot(tmp_path / "x").values() if (tmp_path / "x").is_dir()
        else [path.read_bytes() for path in tmp_path.glob("x.*")]).decode()
    assert "temperature=0.3" not in text
    nothing = erlctl(words[0], sweep, *words[1:], "--variant", "nope")
    assert (nothing.code, "variants: dpp, dqn,temperature=0.01" in nothing.err) == (1, True)


def test_a_condition_of_another_form_is_bad_usage(sweep):
    assert erlctl("ls", sweep, "--where", "agent.temperature").code == 2


@pytest.mark.parametrize("command", [
    ["compare"], ["plot"], ["ls"], ["show"], ["report"], ["export", "--to", "csv"], ["rm"],
    ["note"], ["archive", "-o", "x.tar.gz"],
])
def test_a_path_that_does_not_exist_is_exit_1_everywhere(tmp_path, command):
    result = erlctl(command[0], tmp_path / "nope", *command[1:])
    assert result.code == 1
    assert f"{tmp_path / 'nope'}: no such file or directory" in result.err


def test_a_folder_of_links_names_the_right_link_and_stays_short(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    for number in range(80):
        (folder / f"link-{number}").symlink_to(tmp_path)
    for command in ("show", "compare", "ls"):
        result = erlctl(command, folder)
        assert result.code == 1
        assert f"{folder / 'link-0'}: symbolic link" in result.err
        assert len([line for line in result.err.splitlines() if "link-" in line]) <= 5


def test_monitor_files_alone_suggest_the_metric_that_works_and_are_listed(tmp_path):
    folder = tmp_path / "logs" / "dqn" / "CartPole-v1_1"
    folder.mkdir(parents=True)
    (folder / "0.monitor.csv").write_text('#{"env_id": "CartPole-v1"}\nr,l,t\n9,9,1\n10,10,2\n')
    result = erlctl("compare", tmp_path / "logs")
    assert (result.code, "--metric return_mean" in result.err) == (1, True)
    assert erlctl("compare", tmp_path / "logs", "--metric", "return_mean").code == 0
    (row,) = json.loads(erlctl("ls", tmp_path / "logs", "--format", "json").out)["rows"]
    assert (row["variant"], row["source"], row["step"]) == ("dqn", "stable-baselines3", 19)


def test_watch_takes_a_path(sweep, monkeypatch):
    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("erlctl.cli.ls.time.sleep", stop)
    result = erlctl("ls", "--watch", sweep)
    assert (result.code, "dpp" in result.out) == (130, True)


@pytest.mark.parametrize("target", ["sb3", "csv"])
def test_an_export_never_goes_into_a_folder_of_runs(sweep, target):
    before = snapshot(sweep)
    for folder in (sweep, sweep / "family", sweep / "family" / "dpp" / "seed-0" / "x"):
        result = erlctl("export", sweep, "--to", target, "-o", folder)
        assert (result.code, "holds runs" in result.err) == (1, True)
    assert snapshot(sweep) == before


def test_an_export_joins_a_folder_but_overwrites_nothing(sweep, tmp_path):
    out = tmp_path / "out"
    assert erlctl("export", sweep, "--to", "sb3", "-o", out, "--variant", "dpp").code == 0
    assert erlctl("export", sweep, "--to", "sb3", "-o", out, "--variant", "*=0.03").code == 0
    assert erlctl("export", sweep, "--to", "csv", "-o", out).code == 0
    before = snapshot(out)
    assert erlctl("export", sweep, "--to", "csv", "-o", out).code == 1
    assert erlctl("export", sweep, "--to", "sb3", "-o", out, "--variant", "dpp").code == 1
    assert snapshot(out) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_quiet(name):
    command = group.get_command(click.Context(group), name)
    assert sum("--quiet" in option.opts for option in command.params) == 1


@pytest.mark.parametrize("before", [True, False])
def test_a_quiet_training_says_nothing_but_its_table(before, tmp_path):
    spec = tmp_path / "p.yaml"
    spec.write_text("""
name: p
environment: {id: Garnet}
agent: {algorithm: tabular_dpp}
training: {steps: 10}
evaluation: {every: 10, episodes: 1}
""")
    line = ["train", spec, "--runs-dir", tmp_path / "runs"]
    result = erlctl(*(["--quiet", *line] if before else [*line, "--quiet"]))
    assert result.code == 0
    assert result.err == ""
    assert "complete" in result.out


def test_quiet_is_silent_before_and_after_the_command(sweep):
    assert "10 runs" in erlctl("ls", sweep).err
    assert erlctl("ls", sweep, "--quiet").err == ""
    assert erlctl("--quiet", "ls", sweep).err == ""
    assert erlctl("--quiet", "ls", sweep / "nope").err  # errors are not information


@pytest.mark.filterwarnings("always")
def test_quiet_keeps_libraries_from_warning(monkeypatch):
    @click.command()
    def noisy():
        warnings.warn("something is old", UserWarning, stacklevel=1)

    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: click.echo(message, err=True))
    command = options.quiet_option(noisy)
    assert "something is old" in CliRunner().invoke(command, []).output
    assert CliRunner().invoke(command, ["-q"]).output == ""


def test_notes_and_tags_are_kept_shown_and_found(sweep):
    run = sweep / "family" / "dpp" / "seed-0"
    before = snapshot(run)
    assert erlctl("note", run, "a first look").code == 0
    result = erlctl("note", run, "a \x1b[2J second", "--tag", "paper", "--tag", "best")
    assert "a first look" in result.out
    assert "\x1b" not in result.out
    assert "tags: best, paper" in erlctl("note", run, "--untag", "x").out
    assert variants(sweep, "--tag", "paper", "--tag", "best") == ["dpp"]
    assert variants(sweep, "--tag", "other") == []
    assert "best, paper" in erlctl("ls", sweep).out
    assert "a first look" in erlctl("show", run).out
    after = snapshot(run)
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {"notes.json"}
    assert erlctl("note", run, "--tag", "a b").code == 2


def test_a_note_can_be_written_while_the_run_is_running(sweep):
    paths = RunPaths(sweep / "family" / "dpp" / "seed-0")
    with lock.hold(paths.lock):
        assert erlctl("note", paths.root, "still going").code == 0
    assert notes.read(paths)["notes"][0]["text"] == "still going"


def test_notes_of_many_at_once_are_all_kept(sweep):
    paths = RunPaths(sweep / "family" / "dpp" / "seed-0")
    threads = [threading.Thread(target=notes.add, args=(paths, f"note {i}", [f"t{i}"]))
               for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = notes.read(paths)
    assert {note["text"] for note in found["notes"]} == {f"note {i}" for i in range(20)}
    assert len(found["tags"]) == 20


@pytest.mark.parametrize("content", ["", "{", "[]", '{"notes": [1]}', '{"tags": {}}'])
def test_damaged_notes_are_never_overwritten(sweep, content):
    paths = RunPaths(sweep / "family" / "dpp" / "seed-0")
    paths.notes.write_text(content)
    assert erlctl("note", paths.root, "text").code == 5
    assert paths.notes.read_text() == content
    assert erlctl("ls", sweep).code == erlctl("show", paths.root).code == 0


def test_rm_deletes_run_directories_and_nothing_else(sweep):
    (sweep / "family" / "readme.txt").write_text("keep")
    run = sweep / "family" / "dpp" / "seed-0"
    outside = sweep.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("keep")
    (run / "link").symlink_to(outside)
    result = erlctl("rm", sweep, "--variant", "dpp", "--yes")
    assert (result.code, result.out.splitlines()) == (0, [str(run)])
    assert not run.exists()
    assert (outside / "file").exists()
    assert (sweep / "family" / "readme.txt").exists()
    assert len(variants(sweep)) == 9
    assert not list(sweep.rglob(".tmp-*"))


def test_rm_asks_and_off_a_terminal_wants_yes(sweep, monkeypatch):
    before = snapshot(sweep)
    assert erlctl("rm", sweep).code == 2
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert erlctl("rm", sweep).code == 130
    assert snapshot(sweep) == before
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    assert erlctl("rm", sweep).code == 0
    assert variants("--runs-dir", sweep) == []


@pytest.mark.parametrize("command", [["rm", "--yes"], ["archive", "-o", "OUT/x.tar.gz"]])
def test_running_runs_and_links_are_refused_and_nothing_is_done(sweep, command, tmp_path):
    words = [word.replace("OUT", str(tmp_path)) for word in command]
    run = sweep / "family" / "dpp" / "seed-0"
    before = snapshot(sweep)
    with lock.hold(run / ".lock"):
        result = erlctl(words[0], sweep, *words[1:])
        assert (result.code, str(run) in result.err) == (6, True)
    (run / ".lock").unlink()
    (tmp_path / "link").symlink_to(run)
    (tmp_path / "variants").symlink_to(run.parent)
    for link in (tmp_path / "link", tmp_path / "variants" / "seed-0"):
        result = erlctl(words[0], link, *words[1:])
        assert (result.code, "symbolic link" in result.err) == (1, True)
    assert snapshot(sweep) == before
    assert not list(tmp_path.glob("*.tar.gz"))


def test_runs_of_other_programs_are_left_alone(tmp_path):
    folder = tmp_path / "logs" / "dqn" / "CartPole-v1_1"
    folder.mkdir(parents=True)
    (folder / "0.monitor.csv").write_text('#{"env_id": "CartPole-v1"}\nr,l,t\n9,9,1\n')
    assert erlctl("rm", tmp_path / "logs", "--yes").code == 1
    assert (folder / "0.monitor.csv").exists()


def test_an_archive_holds_every_file_with_its_digest(sweep, tmp_path):
    run = sweep / "family" / "dpp" / "seed-0"
    (run / "link").symlink_to("/etc/passwd")
    os.mkfifo(run / "pipe")
    (run / ".lock").write_text("{}")
    target = tmp_path / "all.tar.gz"
    result = erlctl("archive", sweep, "-o", target)
    assert (result.code, result.out.strip()) == (0, str(target))
    assert {line.split(":")[0] for line in result.err.splitlines()[:2]} == {
        str(run / "link"), str(run / "pipe")}
    unpacked = tmp_path / "unpacked"
    with tarfile.open(target) as tar:
        assert all(member.isfile() for member in tar)
        tar.extractall(unpacked, filter="data")
    manifest = json.loads((unpacked / "manifest.json").read_text())["files"]
    found = snapshot(unpacked)
    del found["manifest.json"]
    assert set(found) == set(manifest)
    assert all(hashlib.sha256(data).hexdigest() == manifest[name]["sha256"]
               for name, data in found.items())
    assert len(variants(unpacked)) == len(variants(sweep)) == 10
    assert erlctl("archive", sweep, "-o", target).code == 1
    assert erlctl("archive", sweep / "family" / "dpp", "-o", tmp_path / "dpp.tgz").code == 0
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize("name", ["all.zip", "all.tar", "all", "tgz"])
def test_an_archive_has_the_name_of_what_it_is(sweep, tmp_path, name):
    result = erlctl("archive", sweep, "-o", tmp_path / name)
    assert (result.code, result.out) == (2, "")
    assert "must be a name that ends in .tar.gz or .tgz" in result.err
    assert not (tmp_path / name).exists()


def test_an_archive_that_reads_back_differently_is_never_left(sweep, tmp_path, monkeypatch):
    original = archive._write

    def corrupt(names, temporary, left_out):
        files = original(names, temporary, left_out)
        files[next(iter(files))]["sha256"] = "0" * 64
        return files

    monkeypatch.setattr(archive, "_write", corrupt)
    with pytest.raises(DamagedError, match="reads back differently"):
        archive.pack([RunPaths(sweep / "family" / "dpp" / "seed-0")], tmp_path / "x.tar.gz")
    assert not [path for path in tmp_path.iterdir() if path != sweep]
