"""`orchestrator invoke`."""

import sys
from typing import IO

import click

from orchestrator.cli import wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
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

    With `-o json` the body is text inside the document; what is not UTF-8 in it is replaced.

    \b
    Examples:
      orchestrator invoke --body request.json
      orchestrator invoke digits --body image.npy --content-type application/x-npy
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    name = endpoint or project.spec.name
    response = project.edge.runtime.invoke(name, Request(body.read(), content_type, accept))
    text = response.body.decode("utf-8", "replace")
    if response.status >= _FIRST_ERROR_STATUS or response.status == 0:
        first, _, rest = text.rstrip().partition("\n")
        raise OrchestratorError(
            f"the model of endpoint '{name}' answered {response.status}",
            details=[("model", text.rstrip() if options.verbose or not rest else f"{first} …")],
            hint=f"orchestrator logs {name}",
        )
    if options.json:
        Terminal(options).result("", {"endpoint": name, "fingerprint": response.fingerprint, "body": text})
        return
    sys.stdout.buffer.write(response.body)
    if sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
