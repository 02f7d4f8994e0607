"""The pages of docs/ and CONTRIBUTING.md, taken apart."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = (ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


class Block(NamedTuple):
    """A fenced block: its language, its title and its text."""

    language: str
    title: str
    text: str


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path) -> list[Block]:
    fence = r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```'
    found = re.findall(fence, read(path), flags=re.MULTILINE | re.DOTALL)
    return [Block(*parts) for parts in found]


def commands(path: Path) -> list[str]:
    """Return the lines of shell blocks, in order."""
    return [line for block in blocks(path) if block.language == ""
            for line in block.text.replace("\\\n", " ").splitlines()]


@functools.cache
def generator() -> ModuleType:
    """Return docs/generate.py."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
