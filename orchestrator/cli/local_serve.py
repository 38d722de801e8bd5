"""`orchestrator local-serve`."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from orchestrator.cli import wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core.errors import ArtifactError
from orchestrator.core.revision import CONTAINER_ENVIRONMENT
from orchestrator.serving import server
from orchestrator.usecases.build import build

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(value.partition("=")[::2] for value in values)
    if unfit := next((value for value in values if "=" not in value or value.startswith("=")), None):
        raise click.BadParameter(f"'{unfit}' is not KEY=VALUE")
    return pairs


@click.command("local-serve")
@click.argument("target", required=False)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 picks a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes, each with a copy of the model.")
@click.option(
    "--set",
    "variables",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_pairs,
    help="The container's environment.",
)
@with_options
def command(
    options: Options,
    target: str | None,
    port: int,
    host: str,
    workers: int | None,
    variables: Mapping[str, str],
) -> None:
    """Serve TARGET on a port under the container's contract: GET /ping, POST /invocations.

    TARGET is an archive, a folder with an unpacked one, an s3:// address of an archive or (ending in /) of
    its files, or nothing: then it is the project itself. The model's code runs on this machine with your
    rights: serve only what you trust.

    \b
    Examples:
      orchestrator local-serve
      orchestrator local-serve model.tar.gz --port 9000
      orchestrator local-serve --set TS_MAX_REQUEST_SIZE=1000
      curl -s localhost:8080/invocations -H 'Content-Type: application/json' -d @request.json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    if host not in _LOOPBACK:
        terminal.say(
            f"warning: whoever reaches {host} can use this model: there is no authentication", style="yellow"
        )
    own = CONTAINER_ENVIRONMENT if target is None else {}
    with _model_dir(options, terminal, target) as model_dir:
        serving = server.Options(
            model_dir=model_dir,
            host=host,
            port=port,
            workers=workers,
            environment={**os.environ, **own, **variables},
        )
        server.run(serving, lambda ready: _announce(terminal, ready))


def _announce(terminal: Terminal, ready: server.Ready) -> None:
    host = f"[{ready.host}]" if ":" in ready.host else ready.host
    url = f"http://{host}:{ready.port}"
    document = {"url": url, "port": ready.port, "pid": ready.pid, "workers": ready.workers}
    terminal.result(f"serving at {url}/invocations (Ctrl-C stops it)", document)


@contextlib.contextmanager
def _model_dir(options: Options, terminal: Terminal, target: str | None) -> Iterator[Path]:
    """Yield the folder to serve: that of ``target``, or one with what the project's archive would hold."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
        folder = Path(name)
        if target is not None:
            yield _unpacked(options, target, folder)
            return
        # No trial: the first customer of this build is the very server that it is made for.
        with build(wiring.resolve(options).spec, wiring.packaging(), TerminalTransfer(terminal)) as made:
            terminal.warn(made.warnings)
            wiring.stage(made, str(folder / "model"))
            yield folder / "model"


def _unpacked(options: Options, target: str, folder: Path) -> Path:
    """Return the folder that ``target`` is, or one that it is unpacked to."""
    if Path(target).is_dir():
        return Path(target)
    unpacked = folder / "model"
    if target.startswith("s3://"):
        wiring.download(options, target, str(unpacked))
        return unpacked
    if not Path(target).is_file():
        raise ArtifactError(
            f"there is no archive or folder '{target}'", hint="orchestrator package          builds one"
        )
    wiring.extract(target, str(unpacked))
    return unpacked
