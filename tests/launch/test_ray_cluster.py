"""Runs on a real Ray cluster of two nodes: nodes die, drivers die, nothing is shared."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erlctl.launch.process import worker_environment
from erlctl.runs.catalogue import list_checkpoints
from erlctl.runs.layout import RunPaths, find_runs, read_run_json
from erlctl.runs.tables import read_table
from tests.launch.specs import SEARCH

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'erlctl[ray]'")]

STEPS = 200_000  # seven seconds of an idle core: time to kill something in the middle
SPEC = f"""
name: real
environment: {{id: CartPole-v1}}
agent: {{algorithm: munchausen_dqn}}
network: {{type: mlp, hidden: [16]}}
training: {{steps: {STEPS}, learning_starts: 200, batch_size: 16}}
evaluation: {{every: 5000, episodes: 2}}
checkpoint: {{every: 5000}}
seeds: 4
"""
ATTEMPTS = 4  # Ray gives a node half a minute to start, which a busy machine may need longer for
ERLCTL = (sys.executable, "-m", "erlctl")


class Cluster:
    """Two nodes.

    Attributes:
        address: Where it listens.
    """

    def __init__(self) -> None:
        for _ in range(ATTEMPTS):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.launch.ray_cluster"], text=True,
                env=worker_environment(), cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )
            self.address = self.process.stdout.readline().strip()
            if self.address:
                return
            self.process.communicate()
        raise AssertionError("Ray could not start two nodes; /tmp/ray/session_latest/logs says why")

    def ask(self, command: str) -> str:
        """Return the answer to a line."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def has_no_actors_within(self, seconds: float) -> bool:
        """Wait until the actors and what they have started are gone."""
        deadline = time.monotonic() + seconds
        while self.ask("actors") != "0":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a fresh cluster."""
    made = Cluster()
    yield made
    made.process.communicate(timeout=60)


@pytest.fixture
def start(tmp_path: Path, cluster: Cluster) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `erlctl train` on the cluster, in a temporary folder."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "spec.yaml").write_text(SPEC)

    def make(
        *options: str, before: tuple[str, ...] = (), command: str = "train"
    ) -> subprocess.Popen[str]:
        line = [*ERLCTL, command, "spec.yaml", "--format", "json", "--launcher", "ray",
                "--launcher-option", f"address={cluster.address}", *options]
        started.append(subprocess.Popen(
            [*before, *line], cwd=tmp_path, env=worker_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return what the runs come to on this machine."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "spec.yaml").write_text(SPEC)
    subprocess.run([*ERLCTL, "train", "spec.yaml"], cwd=folder, env=worker_environment(),
                   check=True, capture_output=True)
    return content(folder / "runs")


def content(runs_dir: Path) -> dict[str, object]:
    """Return sums of the last checkpoint and the rows, times left out, of every run."""
    return {str(paths.root.relative_to(runs_dir)): _content_of(paths)
            for paths in find_runs([runs_dir]).runs}


def _content_of(paths: RunPaths) -> list[object]:
    manifest = json.loads((paths.checkpoint(STEPS) / "manifest.json").read_text())
    found: list[object] = [manifest["files"]]
    for table, times in ((paths.evaluations, ("wall_seconds",)), (paths.monitor, ("t",)),
                         (paths.progress, ("wall_seconds", "steps_per_second"))):
        columns = read_table(table).columns
        found.append({name: values.tolist() for name, values in columns.items()
                      if name not in times})
    return json.loads(json.dumps(found).replace("NaN", "null"))


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(f"never said {words!r}:\n{said}")


def wait_for_a_checkpoint(runs_dir: Path, runs: int = 1) -> None:
    """Wait until so many can be resumed: checkpoints are written, and travel, beside the run."""
    deadline = time.monotonic() + 30
    while sum(map(bool, map(list_checkpoints, find_runs([runs_dir]).runs))) < runs:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def statuses(output: str) -> list[str]:
    return [row["status"] for row in json.loads(output)["rows"]]


def test_a_node_that_dies_changes_no_bit(cluster, start, tmp_path, undisturbed):
    process = start()
    wait_for(process, "step 10000: evaluation")
    wait_for_a_checkpoint(tmp_path / "runs", runs=2)  # whichever is on the node
    assert cluster.ask("kill") == "killed"
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert statuses(out) == ["complete"] * 4
    assert "is lost" in err
    assert "resumed from step" in err
    assert content(tmp_path / "runs") == undisturbed
    attempts = [read_run_json(paths)["attempts"] for paths in find_runs([tmp_path / "runs"]).runs]
    assert max(map(len, attempts)) == 2
    assert all(attempt["job"].startswith("ray ") for each in attempts for attempt in each)


def test_a_killed_driver_leaves_no_actor_and_the_same_line_goes_on(
    cluster, start, tmp_path, undisturbed
):
    process = start()
    wait_for(process, "step 10000: evaluation")
    wait_for_a_checkpoint(tmp_path / "runs")
    assert cluster.ask("actors") != "0"
    process.kill()
    process.communicate()
    assert cluster.has_no_actors_within(30)
    process = start()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert statuses(out) == ["complete"] * 4
    assert "resumed from step" in err
    assert content(tmp_path / "runs") == undisturbed


def test_ctrl_c_and_the_time_budget_write_checkpoints(cluster, start):
    process = start()
    wait_for(process, "step 5000: evaluation")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    rows = json.loads(out)["rows"]
    assert sorted({row["status"] for row in rows}) == ["interrupted", "pending"]
    assert max(row["step"] for row in rows) >= 5000
    assert cluster.has_no_actors_within(30)

    process = start("--max-seconds", "1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert [row["step"] for row in json.loads(out)["rows"]] == [row["step"] for row in rows]
    assert cluster.has_no_actors_within(30)


def test_a_killed_search_goes_on_without_a_lost_or_doubled_trial(cluster, start, tmp_path):
    (tmp_path / "spec.yaml").write_text(SEARCH.replace("STEPS", "30000"))
    process = start(command="tune")
    wait_for(process, "step 10000: evaluation")
    process.kill()
    process.communicate()
    assert cluster.has_no_actors_within(30)
    process = start(command="tune")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert [row["trial"] for row in document["rows"]] == [0, 1, 2]
    assert [row["state"] for row in document["rows"]] == ["complete"] * 3
    assert "resumed from step" in err
    facts = [read_run_json(paths) for paths in find_runs([tmp_path / "runs"]).runs]
    assert [each["status"] for each in facts] == ["complete"] * 3
    assert all(each["attempts"][-1]["job"].startswith("ray ") for each in facts)


def test_a_cluster_that_has_stopped_answering_is_one_line(cluster, start):
    assert cluster.ask("freeze") == "frozen"
    process = start()
    out, err = process.communicate(timeout=120)
    cluster.ask("thaw")
    assert process.returncode == 1
    assert f"nobody answers at address={cluster.address}: no answer within 5 s" in err
    assert len(err.strip().splitlines()) == 2, err
    assert not out


CAN_UNSHARE = shutil.which("unshare") is not None and subprocess.run(
    ["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0
# The command sees another folder under the name of the runs directory than the nodes do.
ALONE = ("unshare", "--mount", "sh", "-ec",
         'mkdir -p runs; mount --bind "$0" runs; exec "$@"')


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs the right to mount (root)")
def test_without_a_shared_folder_files_travel(cluster, start, tmp_path, undisturbed):
    mine, scratch = tmp_path / "mine", tmp_path / "scratch"
    mine.mkdir()
    scratch.mkdir()
    process = start(before=(*ALONE, str(mine)))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "is not shared with" in err
    assert "sync=true" in err
    assert "Traceback" not in err
    assert not find_runs([mine]).runs
    assert not find_runs([tmp_path / "runs"]).runs

    sync = ("--launcher-option", "sync=true", "--launcher-option", f"scratch={scratch}")
    process = start(*sync, before=(*ALONE, str(mine)))
    wait_for(process, "step 10000: evaluation")
    wait_for_a_checkpoint(mine)
    process.kill()
    process.communicate()
    assert cluster.has_no_actors_within(30)
    process = start(*sync, before=(*ALONE, str(mine)))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert statuses(out) == ["complete"] * 4
    assert "resumed from step" in err
    assert content(mine) == undisturbed
    assert all(paths.policy.is_dir() for paths in find_runs([mine]).runs)
    assert not list((tmp_path / "runs").iterdir())
    assert not list(scratch.iterdir())
