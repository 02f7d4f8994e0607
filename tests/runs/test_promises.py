"""Every promise and every fault that is said to be tested has the test that is named."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+)`")


def named_in(page):
    return sorted(set(NAMED.findall((ROOT / page).read_text(encoding="utf-8"))))


@functools.cache
def all_tests():
    files = (ROOT / "tests").rglob("test_*.py")
    return set(re.findall(r"^def (test_\w+)", "\n".join(f.read_text("utf-8") for f in files), re.M))


@pytest.mark.parametrize("page", ["README.md", "tests/runs/README.md"])
def test_every_test_that_is_named_exists(page):
    assert named_in(page)
    assert [name for name in named_in(page) if name not in all_tests()] == []


def test_every_test_with_the_number_of_a_fault_is_in_its_row():
    rows = re.findall(r"^\| (F\d+) \|.*$", (ROOT / "tests/runs/README.md").read_text("utf-8"), re.M)
    numbers = {int(n) for name in all_tests() for n in re.findall(r"^test_f(\d+)_", name)}
    assert numbers <= {int(row[1:]) for row in rows}


def test_every_fault_has_tests_or_a_reason():
    text = (ROOT / "tests/runs/README.md").read_text("utf-8")
    assert [n for n in range(1, 41) if not re.search(rf"\bF{n}\b", text)] == []
