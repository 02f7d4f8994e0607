"""Folders made to hurt: every command says what is wrong in words and comes back."""

from __future__ import annotations

import json
import os

import pytest

from tests.analysis import synthetic
from tests.cli.helpers import erlctl

LIMIT_SECONDS = 60
COMMANDS = {
    "ls": ("ls", "RUNS"), "ls json": ("ls", "RUNS", "--format", "json"),
    "ls csv": ("ls", "RUNS", "--format", "csv"), "show": ("show", "RUN"),
    "show json": ("show", "RUN", "--format", "json"), "fsck": ("fsck", "RUNS"),
    **{f"compare {fmt}": ("compare", "RUNS", "--format", fmt)
       for fmt in ("table", "json", "csv", "markdown", "latex")},
    "selected": ("compare", "RUNS", "--where", "agent.gamma=0.99"),
    "sb3": ("export", "RUNS", "--to", "sb3", "-o", "OUT/sb3"),
    "csv": ("export", "RUNS", "--to", "csv", "-o", "OUT/csv"),
    "report": ("report", "RUNS", "-o", "OUT/report.html"),
    "plot": ("plot", "RUNS", "-o", "OUT/curves.svg"),
}

DRAWING = ("report", "plot")
DRAWN = ("names of a megabyte", "half a surrogate", "pipe for evaluations", "control characters",
         "pipe for spec", "seed long", "sexagesimal")


def in_spec(old, new):
    def change(paths):
        paths.spec.write_text(paths.spec.read_text().replace(old, new))
    return change


def in_run_json(**facts):
    def change(paths):
        text = json.dumps({**json.loads(paths.run_json.read_text()), **facts})
        paths.run_json.write_text(text)
    return change


def replaced(name, make):
    def change(paths):
        path = getattr(paths, name)
        path.unlink(missing_ok=True)
        make(path)
    return change


def link_to_secret(path):
    secret = path.parents[3] / "secret.txt"
    secret.write_text("TOP SECRET\nstep,return\n1,2\n")
    path.symlink_to(secret)


def deep_names(paths):
    in_spec("CartPole-v1", "x" * 100_000)(paths)
    in_run_json(variant="v" * 1_000_000, name="n" * 1_000_000, algorithm="a" * 1_000_000,
                environment="e" * 1_000_000, reason="r" * 1_000_000)(paths)


ATTACKS = {
    **{f"pipe for {name}": replaced(name, os.mkfifo)
       for name in ("spec", "run_json", "progress", "evaluations", "monitor", "lock", "notes")},
    **{f"link for {name}": replaced(name, link_to_secret)
       for name in ("spec", "run_json", "progress", "evaluations", "monitor", "notes")},
    "folder for spec": replaced("spec", lambda path: path.mkdir()),
    "sparse spec": replaced("spec", lambda path: (path.touch(), os.truncate(path, 2**40))),
    "sparse table": replaced("evaluations", lambda path: (path.touch(), os.truncate(path, 2**40))),
    "sexagesimal": in_spec("0.99", ":".join(["59"] * 5000)),
    "sexagesimal float": in_spec("0.99", ":".join(["59"] * 500) + ".5"),
    "long integer": in_spec("training: {steps: ", "training: {steps: " + "9" * 10_000),
    "octal and binary": in_spec("0.99", "0b" + "1" * 9000),
    "a date": in_spec("0.99", "2001-99-99"),
    "seed nan": in_run_json(seed=float("nan")),
    "seed infinite": in_run_json(seed=float("inf"), step=float("inf"), total_steps=-1e999),
    "seed long": in_run_json(seed=10**4000, step=10**4000, total_steps=10**4000),
    "seed of words": in_run_json(seed={"a": [1]}, step="x", total_steps=[]),
    "half a surrogate": in_run_json(variant="a\ud800b", name="\udfff", reason="\ud800",
                                    algorithm="\ud800", environment="\ud800"),
    "control characters": in_run_json(variant="a\x1b[2Jb", reason="\x07\x1b]0;x\x07"),
    "parent folder": in_spec("CartPole-v1", "'..'"),
    "absolute path": in_spec("CartPole-v1", "/etc/passwd"),
    "names of a megabyte": deep_names,
    "notes of words": replaced("notes", lambda path: path.write_text('{"notes": 3, "tags": [1]}')),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Return a function that makes a folder of good runs and an attacked one, once each."""
    made = {}

    def make(attack):
        if attack not in made:
            runs = tmp_path_factory.mktemp("hostile") / "a" / "runs"
            synthetic.write_group(runs, "good", [100.0, 110, 120])
            paths = synthetic.write_run(runs, variant="hurt")
            ATTACKS[attack](paths)
            made[attack] = runs, paths.root
        return made[attack]

    return make


@pytest.mark.timeout(LIMIT_SECONDS)
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_every_command_survives(attacked, attack, tmp_path):
    runs, run = attacked(attack)
    places = {"RUNS": str(runs), "RUN": str(run), "OUT": str(tmp_path)}
    for command, arguments in COMMANDS.items():
        if command in DRAWING and attack not in DRAWN:
            continue  # they read the same, which the others show in a tenth of the time
        words = [places.get(word, word.replace("OUT", str(tmp_path))) for word in arguments]
        result = erlctl(*words)
        assert result.code in ((0, 5) if command == "fsck" else (0,)), (command, result.err)
        assert "Traceback" not in result.err
        assert "TOP SECRET" not in result.out + result.err
        assert "\x1b" not in result.out or command == "ls csv"  # data for programs
        if command.endswith("json"):
            json.loads(result.out, parse_constant=pytest.fail)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"TOP SECRET" not in path.read_bytes()


@pytest.mark.timeout(LIMIT_SECONDS)
@pytest.mark.parametrize("name", ["spec", "run_json"])
def test_a_pipe_in_a_run_alone_is_named(runs_dir, name):
    paths = synthetic.write_run(runs_dir, variant="hurt")
    replaced(name, os.mkfifo)(paths)
    for command in ("compare", "report", "export"):
        more = {"report": ["-o", runs_dir.parent / "r.html"],
                "export": ["--to", "csv", "-o", runs_dir.parent / "e"]}.get(command, [])
        assert erlctl(command, runs_dir, *more).code in (0, 5)
    paths.spec.unlink()
    paths.run_json.unlink()
    os.mkfifo(paths.spec)
    result = erlctl("compare", runs_dir)
    assert (result.code, str(paths.root) in result.err) == (5, True)
    assert len(result.err.splitlines()) == 3


@pytest.mark.parametrize("name", ["0.monitor.csv", "evaluations.npz", "events.out.tfevents.1"])
@pytest.mark.timeout(LIMIT_SECONDS)
def test_a_pipe_among_the_files_of_other_programs_is_not_waited_for(tmp_path, name):
    folder = tmp_path / "logs" / "dqn" / "CartPole-v1_1"
    folder.mkdir(parents=True)
    os.mkfifo(folder / name)
    assert erlctl("compare", tmp_path / "logs").code in (1, 5)


def test_a_folder_name_that_is_no_utf8_is_printed_escaped(runs_dir):
    paths = synthetic.write_run(runs_dir, variant="hurt")
    paths.run_json.unlink()
    paths.root.parent.rename(paths.root.parent.with_name("v\udcff"))
    for command in ("ls", "compare"):
        result = erlctl(command, runs_dir)
        assert result.code in (0, 1), result.err
        assert "v\\xff" in result.out or "v\\udcff" in result.out
