"""`erlctl note`: what people say about a run, kept beside it."""

from __future__ import annotations

from pathlib import Path

import click

from erlctl.cli import options


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("text", required=False)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag; repeatable.")
@click.option("--untag", multiple=True, metavar="TAG", help="Take a tag away; repeatable.")
@options.format_option()
def note(
    run: Path, text: str | None, tags: tuple[str, ...], untag: tuple[str, ...], fmt: str
) -> None:
    """Add TEXT or tags to a RUN, or print what it has.

    Stored in notes.json of the run directory; the run may be training meanwhile.

    \b
    Examples:
      erlctl note runs/quickstart/dqn/seed-0 "collapses after 20,000 steps"
      erlctl note runs/quickstart/dqn/seed-0 --tag paper
      erlctl ls --tag paper
    """
    from erlctl.cli.show import only_run
    from erlctl.runs import notes

    paths = only_run(run)
    if text is None and not tags and not untag:
        found = notes.read(paths)
    else:
        found = notes.add(paths, text, tags, untag)
    if fmt == "json":
        options.echo_json(found)
        return
    for entry in found["notes"]:
        click.echo(options.printable(f"{entry.get('time', '?')}  {entry['text']}"))
    if found["tags"]:
        click.echo(f"tags: {', '.join(map(options.printable, found['tags']))}")
