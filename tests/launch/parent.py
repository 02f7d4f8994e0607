"""A batch's parent as a process of its own, to be signalled: `parent.py SPEC RUNS_DIR`.

Prints the pid of every worker on stdout, the display's lines and "<run> has begun" on stderr, ends
with the exit code.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from erlctl import spec
from erlctl.events import Assigned, Event, Tick
from erlctl.launch import display, pool
from erlctl.launch.launcher import Batch
from erlctl.launch.plan import plan_runs, prepare
from erlctl.launch.process import WorkerProcess

if __name__ == "__main__":
    runs_dir = Path(sys.argv[2])
    runs = spec.load(sys.argv[1]).runs
    prepare(runs, runs_dir=runs_dir, say=lambda text: print(text, file=sys.stderr, flush=True))
    plan = plan_runs(runs, runs_dir=runs_dir)
    show = display.PlainDisplay(
        [(entry.label, entry.run.training.steps) for entry in plan], sys.stderr
    )

    begun: set[str] = set()

    def on_event(event: Event) -> None:
        show(event)
        if isinstance(event, Assigned):
            print(event.pid, flush=True)
        if isinstance(event, Tick) and event.run not in begun:
            begun.add(event.run)
            show.say(f"{event.run} has begun")

    batch = pool.run_all(
        Batch(plan=plan, runs_dir=runs_dir, jobs=2), on_event,
        start_worker=partial(
            WorkerProcess, command=(sys.executable, str(Path(__file__).with_name("fakes.py")))),
    )
    sys.exit(batch.exit_code)
