"""`orchestrator invoke`."""

import sys
from typing import IO

import click

from orchestrator.cli import wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.golden import JSON_TYPE, Request

_FIRST_ERROR_STATUS = 400


@click.command("invoke")
@click.argument("endpoint", required=False)
@click.option("--body", type=click.File("rb"), default="-", metavar="FILE", help="What to send [stdin].")
@click.option("--content-type", default=JSON_TYPE, show_default=True)
@click.option("--accept", default=JSON_TYPE, show_default=True)
@with_options
def command(options: Options, endpoint: str | None, body: IO[bytes], content_type: str, accept: str) -> None:
    """Send one request to the endpoint, and write the answer's body to stdout as it came.

    \b
    Examples:
      orchestrator invoke --body request.json
      orchestrator invoke digits --body image.npy --content-type application/x-npy
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    name = endpoint or project.spec.name
    response = project.edge.runtime.invoke(name, Request(body.read(), content_type, accept))
    if response.status >= _FIRST_ERROR_STATUS or response.status == 0:
        words = response.body.decode("utf-8", "replace").rstrip()
        raise OrchestratorError(
            f"the model of endpoint '{name}' answered {response.status}",
            details=[("model", words)],
            hint=f"orchestrator logs {name}",
        )
    sys.stdout.buffer.write(response.body)
    sys.stdout.buffer.flush()
