"""A batch's parent as a process of its own, to be signalled: `parent.py SPEC RUNS_DIR`.

Prints the pid of every worker on stdout, the display's lines and "<run> has begun" on stderr, ends
with the exit code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from erlctl import spec
from erlctl.launch import display, pool
from erlctl.launch.plan import plan_runs

if __name__ == "__main__":
    runs_dir = Path(sys.argv[2])
    plan = plan_runs(spec.load(sys.argv[1]).runs, runs_dir=runs_dir)
    show = display.PlainDisplay(
        [(entry.label, entry.run.training.steps) for entry in plan], sys.stderr
    )

    begun: set[str] = set()

    def on_event(event: dict[str, Any]) -> None:
        show(event)
        if event["event"] == "assigned":
            print(event["pid"], flush=True)
        if event["event"] == "tick" and event["run"] not in begun:
            begun.add(event["run"])
            show.say(f"{event['run']} has begun")

    batch = pool.run_all(
        plan, runs_dir=runs_dir, jobs=2, on_event=on_event,
        worker_command=(sys.executable, str(Path(__file__).with_name("fakes.py"))),
    )
    sys.exit(batch.exit_code)
