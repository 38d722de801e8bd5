"""`orchestrator local-serve`."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from orchestrator.api import wiring
from orchestrator.cli import completing
from orchestrator.cli.opening import selection
from orchestrator.cli.options import Options, is_terminal, with_options
from orchestrator.cli.serving_sources import source
from orchestrator.cli.terminal import Terminal
from orchestrator.core.spec import BATCH_DELAY_MS, BATCH_SIZE
from orchestrator.serving import server
from orchestrator.serving.contract import Fidelity, bind_port
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.preparing.reload import Source
from orchestrator.serving.staff import House, Served

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of the command."""

    port: int | None
    host: str
    workers: int | None
    variables: Mapping[str, str]
    token: str | None
    strict: bool
    exact: bool
    reload: bool
    batch_size: int | None
    batch_delay_ms: float | None
    requirements: bool
    log_format: str

    @property
    def fidelity(self) -> Fidelity:
        """How closely to follow the container.

        Raises:
            click.UsageError: If two degrees were asked for.
        """
        if self.strict and self.exact:
            raise click.UsageError("--strict explains where the container hangs, --exact hangs: choose one")
        if self.reload and self.exact:
            raise click.UsageError("--reload keeps what works, --exact hangs with what does not: choose one")
        return Fidelity.STRICT if self.strict else Fidelity.EXACT if self.exact else Fidelity.HELPFUL

    @property
    def environment(self) -> dict[str, str]:
        """What is added to the container's environment."""
        batching = {BATCH_SIZE: self.batch_size, BATCH_DELAY_MS: self.batch_delay_ms}
        asked = {name: str(value) for name, value in batching.items() if value is not None}
        return {**self.variables, **asked}

    def serving(self, made_of: Source[Served]) -> server.Options:
        """Return how to serve what ``made_of`` makes.

        Raises:
            click.UsageError: If options exclude each other.
        """
        return server.Options(
            source=made_of,
            host=self.host,
            port=bind_port({**os.environ, **self.variables}) if self.port is None else self.port,
            token=self.token,
            reload=self.reload,
            house=House(os.cpu_count() or 1, self.fidelity, self.workers, installs=self.requirements),
            as_json=self.logs_json,
        )

    @property
    def logs_json(self) -> bool:
        """Whether the log is for programs."""
        return self.log_format == "json" or (self.log_format == "auto" and not is_terminal(sys.stderr))


def _pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(value.partition("=")[::2] for value in values)
    if unfit := next((value for value in values if "=" not in value or value.startswith("=")), None):
        raise click.BadParameter(f"'{unfit}' is not KEY=VALUE")
    return pairs


_DECORATORS = (
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        help="0 picks a free one [SAGEMAKER_BIND_TO_PORT, or 8080].",
    ),
    click.option("--host", default="127.0.0.1", show_default=True, help="Another one needs a token."),
    click.option("--workers", type=click.IntRange(min=1), help="Processes, each with a copy of the model."),
    click.option(
        "--set",
        "variables",
        multiple=True,
        metavar="KEY=VALUE",
        callback=_pairs,
        help="The container's environment.",
    ),
    click.option("--reload", is_flag=True, help="Serve what the sources say as soon as they change."),
    click.option("--strict", is_flag=True, help="Make an error of every trap of the real container."),
    click.option("--exact", is_flag=True, help="Follow the real container where it hangs, too."),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        metavar="N",
        help="Stack up to N requests into one call of the model [1].",
    ),
    click.option(
        "--batch-delay-ms",
        type=click.FloatRange(min=0),
        metavar="MS",
        help="How long a request may wait for others [2].",
    ),
    click.option(
        "--requirements/--no-requirements",
        default=True,
        help="Install code/requirements.txt into an environment of its own [yes].",
    ),
    click.option(
        "--token",
        envvar="ORCHESTRATOR_TOKEN",
        help="What clients have to send as 'Authorization: Bearer TOKEN'; better set ORCHESTRATOR_TOKEN.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["auto", "text", "json"]),
        default="auto",
        help="[auto: text on a terminal, else JSON]",
    ),
)


def _with_choices(function: _Function) -> _Function:
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function


@click.command("local-serve")
@click.argument("target", required=False, shell_complete=completing.files)
@_with_choices
@with_options
def command(options: Options, target: str | None, **choices: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """Serve TARGET on a port under the container's contract: GET /ping, POST /invocations.

    TARGET is an archive, a folder with an unpacked one, an s3:// address of an archive or (ending in /) of
    its files, or nothing: then it is the project itself. The model's code runs on this machine with your
    rights: serve only what you trust. In a browser, the address shows a page to try the model.

    \b
    Examples:
      orchestrator local-serve --reload
      orchestrator local-serve model.tar.gz --port 9000
      orchestrator local-serve --set TS_MAX_REQUEST_SIZE=1000 --strict
      curl -s localhost:8080/invocations -H 'Content-Type: application/json' -d @request.json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    chosen = Chosen(**choices)
    spec = wiring.resolve(selection(options)).spec if target is None else None
    made_of = source(options, terminal, target, chosen.environment, reload=chosen.reload)
    serving = chosen.serving(made_of)
    if spec is not None:
        serving = replace(serving, cases=wiring.golden_cases(spec), atol=spec.golden.atol)
    try:
        has_served = server.run(serving, lambda ready: _announce(terminal, ready))
    except LoadError as error:
        # It names the folder that was served, which may have been a temporary one.
        place = target if spec is None else spec.root
        raise LoadError(str(place), error.error, error.traceback, error.hint or "") from error
    if not has_served:
        raise click.Abort


def _announce(terminal: Terminal, ready: server.Ready) -> None:
    host = f"[{ready.host}]" if ":" in ready.host else ready.host
    url = f"http://{host}:{ready.port}"
    document = {"url": url, "port": ready.port, "pid": ready.pid, "workers": ready.workers}
    terminal.result(f"serving at {url}/invocations (Ctrl-C stops it)", document)
