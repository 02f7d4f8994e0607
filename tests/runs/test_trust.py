"""What other people's folders may hold is data: no command runs it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "erlctl"
# Reading any of these would run, or could be made to run, what a stranger has written.
RUNS_CODE = re.compile(
    r"saved_model\.load\(|load_model|allow_pickle\s*=\s*True"
    r"|\bimport (?:pickle|shelve|marshal|dill)"
    r"|yaml\.(?:load|unsafe_load|full_load)\b|\b(?:eval|exec)\("
)


def test_f15_no_command_loads_a_saved_model():
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in ROOT.rglob("*.py")
        for match in [RUNS_CODE.search(path.read_text(encoding="utf-8"))] if match
    }
    assert found == {}
