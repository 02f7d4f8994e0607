"""`erlctl schema`: the JSON Schema of spec files, for editors."""

from __future__ import annotations

import json

import click

from erlctl.experiment.json_schema import schema as schema_of


@click.command()
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of a spec file.

    \b
    Example, for editors with yaml-language-server:
      erlctl schema > erlctl.schema.json
      # first line of a spec: # yaml-language-server: $schema=erlctl.schema.json
    """
    click.echo(json.dumps(schema_of(), indent=1, ensure_ascii=False))
