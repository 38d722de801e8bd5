"""`orchestrator config show / schema`."""

import json

import click

from orchestrator.api import wiring
from orchestrator.cli import opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.group("config", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show the resolved settings with their origins, or the spec's JSON Schema.

    \b
    Examples:
      orchestrator config show --env prod
      orchestrator config schema > orchestrator.schema.json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines


@command.command("show")
@with_options
def show(options: Options) -> None:
    """Print every value of the spec, resolved for the environment, with its origin.

    \b
    Examples:
      orchestrator config show
      orchestrator config show --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    settings = wiring.resolve(opening.selection(options)).settings
    rows = [("key", "value", "origin"), *((s.key, _spelt(s.value), s.origin) for s in settings)]
    document = [{"key": s.key, "value": s.value, "origin": s.origin} for s in settings]
    Terminal(options).result(render.table(rows), {"environment": options.env, "settings": document})


def _spelt(value: object) -> str:
    return "-" if value is None else str(value)


@command.command("schema")
@with_options
def schema(options: Options) -> None:
    """Print the JSON Schema of orchestrator.toml.

    \b
    Examples:
      orchestrator config schema > orchestrator.schema.json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    text = wiring.spec_schema()
    Terminal(options).result(text.rstrip(), json.loads(text))
