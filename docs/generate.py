"""Pages that say what the code says: made at build time by mkdocs, and by the tests.

A hook of mkdocs.yml. Everything comes from the commands themselves (`--format json`, `--help`), so
that a page cannot differ from what a user sees in the terminal. Imports nothing heavy.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from erlctl.cli import COMMANDS, EPILOG, group
from erlctl.experiment import presets

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/erlctl/erlctl"
FIGURES = ("minatar_breakout.png", "dpp_divergence.png")
_GENERATED = "*This page is generated from the code.*\n"


@functools.cache
def pages() -> dict[str, str]:
    """Return path below docs/ -> Markdown."""
    return {
        "reference/commands.md": commands(), "reference/fields.md": fields(),
        "reference/algorithms.md": algorithms(), "reference/environments.md": environments(),
        "reference/presets.md": preset_page(), "contributing.md": contributing(),
    }


def commands() -> str:
    """Return the page of commands: help texts and options."""
    parts = ["# Commands", _GENERATED, EPILOG.replace("\b\n", "").replace(
        "Exit codes:\n", "```text title=\"Exit codes\"\n") + "```"]
    for name, short in COMMANDS.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        context = click.Context(
            command, info_name=f"erlctl {name}", help_option_names=["-h", "--help"])
        records = (option.get_help_record(context) for option in command.get_params(context))
        parts += [f"## erlctl {name}", short, _block(command.get_usage(context), "text"),
                  *_help_text(inspect.cleandoc(command.help or "")),
                  _table(("option", "meaning"), [
                      (f"`{names}`", _text(meaning)) for names, meaning in filter(None, records)])]
    return _joined(parts)


def fields() -> str:
    """Return the page of fields, a table for each section."""
    rows = _answer("fields")["rows"] + _answer("fields", "agent.collect_policy")["rows"]
    heads: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        head = row["path"].rpartition(".")[0]
        if row not in heads.setdefault(head, []):
            heads[head].append(row)
    parts = ["# Fields of a spec", _GENERATED,
             "`erlctl fields PATH` prints the same in a terminal, `erlctl schema` as a JSON Schema "
             "for editors. *Of* names the entries that have a field where a section is chosen by "
             "a name; *letter* is the papers'."]
    for head, found in heads.items():
        parts += [f"## {head or 'Top level'}", _table(
            ("field", "meaning", "default", "type", "domain, unit", "letter", "of"),
            [(f"`{row['path'].rpartition('.')[2]}`", _text(row["meaning"]), _value(row["default"]),
              _text(row["type"]), _notes(row), row["letter"] or "", ", ".join(_names(row["of"])))
             for row in found])]
    return _joined(parts)


def algorithms() -> str:
    """Return the page of algorithms."""
    parts = ["# Algorithms", _GENERATED, "V is the value of a state, t a temperature, a' the next "
             "action. Temperatures and clips are in units of return: scaling rewards changes an "
             "algorithm unless they are scaled too."]
    for row in _answer("algorithms")["rows"]:
        known = _answer("algorithms", row["algorithm"])
        own = [field for field in known["fields"] if field["field"] in row["defaults"]]
        parts += [
            f"## {row['algorithm']}", f"{_text(known['summary'])} ({known['actions']} actions).",
            _text(known["description"]), _block(known["equation"], "text"),
            f"Source: {_linked(known['source'])}."]
        if known["relations"]:
            parts.append("\n".join(f"- {_text(relation)}" for relation in known["relations"]))
        if own:
            parts.append(_table(
                ("field", "meaning", "default", "domain, unit", "letter"),
                [(f"`{field['field']}`", _text(field["meaning"]), _value(field["default"]),
                  _notes(field), field["letter"] or "") for field in own]))
    return _joined(parts)


def environments() -> str:
    """Return the page of environments."""
    known = _answer("environments")
    return _joined([
        "# Environments", _GENERATED, "## Compiled", "Equal to the originals step by step, inside "
        "the compiled program. `erlctl environments ID` shows arguments and what a random policy "
        "gets.", _table(
            ("environment", "task", "observation", "action", "time limit", "solved at"),
            [(f"`{row['environment']}`", _text(row["summary"]), _text(row["observation"]),
              _text(row["action"]), row["time_limit"] or "none", row["threshold"] or "")
             for row in known["compiled"]]),
        "## On the host", "Chosen by `environment.backend`; a class of your own is `backend: "
        "python` with `id: module:factory` and `--trust module`.",
        _table(("backend", "brings", "install"), [
            (f"`{row['backend']}`", _text(row["brings"]), f"`{row['install']}`")
            for row in known["backends"]])])


def preset_page() -> str:
    """Return the page of presets."""
    parts = ["# Presets", _GENERATED, "`erlctl new NAME --env ID --algorithm A` writes these "
             "settings into a spec. What was not run here says so."]
    for preset in presets.all_presets():
        names = [f"`{name}`" for name in preset.environments]
        parts += [f"## {preset.name}", ", ".join(names), f"Source: {_linked(preset.source)}.",
                  _table(("algorithm", "measured"), [
                      (f"`{name}`", preset.results(name)) for name in preset.settings])]
    return _joined(parts)


def contributing() -> str:
    """Return CONTRIBUTING.md with links that hold on the site."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", text)
    return re.sub(r"\]\((?!https?:|#|[\w/]+\.md)([^)]+)\)", rf"]({REPOSITORY}/blob/main/\1)", text)


def on_config(config: Any) -> Any:
    """Add to `nav`, at its end, the pages below docs/ that it does not name."""
    listed = set(_leaves(config.nav))
    found = [path.relative_to(config.docs_dir).as_posix()
             for path in sorted(Path(config.docs_dir).rglob("*.md"))]
    more = [path for path in found if path not in listed and path not in pages()]
    if more:
        config.nav = [*config.nav, {"More": more}]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and the figures of experiments/."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for name in FIGURES:
        figure = ROOT / "experiments" / "figures" / name
        files.append(File.generated(config, f"figures/{name}", abs_src_path=str(figure)))
    return files


def _leaves(nav: Any) -> Iterable[str]:
    if isinstance(nav, str):
        yield nav
        return
    for item in nav.values() if isinstance(nav, Mapping) else nav:
        yield from _leaves(item)


def _answer(*words: str) -> dict[str, Any]:
    """Return what `erlctl WORDS --format json` prints."""
    result = CliRunner().invoke(group, [*words, "--format", "json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def _help_text(text: str) -> Iterable[str]:
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines = paragraph.removeprefix("\b\n").splitlines()
            is_titled = not lines[0].startswith(" ")
            title = f"text title=\"{lines[0].rstrip(':')}\"" if is_titled else "text"
            yield _block("\n".join(line.strip() for line in lines[is_titled:]), title)
        else:
            yield _text(paragraph)


def _block(text: str, kind: str) -> str:
    return f"```{kind}\n{text}\n```"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table without the columns that nothing stands in."""
    rows = [[str(cell) for cell in row] for row in rows]
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    lines = [[line[index] for index in used] for line in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str | None) -> str:
    """Return a text that Markdown shows as it is, "" for none."""
    return " ".join(re.sub(r"([|*_<\[\]])", r"\\\1", text or "").split())


def _value(value: Any) -> str:
    from erlctl.experiment.fields import one_line

    return f"`{one_line(value)}`"


def _notes(row: Mapping[str, Any]) -> str:
    return _text("; ".join(filter(None, (row["domain"], row["unit"]))))


def _names(names: Sequence[str]) -> list[str]:
    return [_text(name) for name in names[:3]] + ([f"{len(names) - 3} more"] if len(names) > 3
                                                 else [])


def _linked(source: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", _text(source))


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
