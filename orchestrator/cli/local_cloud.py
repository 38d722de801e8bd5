"""`orchestrator local-cloud start / stop / status`."""

import os

import click

from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud import defaults, lifecycle


@click.group("local-cloud", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Start, stop or look at the embedded AWS: no account, no Docker, nothing to configure.

    \b
    Examples:
      orchestrator local-cloud start
      eval "$(orchestrator local-cloud start)"     and any AWS client of this shell talks to it
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines


@command.command("start")
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen [4570, or any free port].")
@with_options
def start(options: Options, port: int | None) -> None:
    """Start it, unless it is running, and print the variables that point AWS clients at it."""
    running = lifecycle.start(lifecycle.default_state_dir(os.environ), port)
    if port not in {None, running.port}:
        raise OrchestratorError(
            f"the local cloud runs already, on port {running.port}",
            details=[("state", "nothing has changed")],
            hint=f"orchestrator local-cloud stop && orchestrator local-cloud start --port {port}",
        )
    terminal = Terminal(options)
    terminal.say(f"the local cloud answers at {running.url} (log: {running.log})")
    _show(terminal, running)


@command.command("stop")
@with_options
def stop(options: Options) -> None:
    """Stop it and everything it serves. What was deployed to it is gone."""
    stopped = lifecycle.stop(lifecycle.default_state_dir(os.environ))
    text = "the local cloud has stopped" if stopped else "the local cloud was not running"
    Terminal(options).result(text, {"stopped": stopped})


@command.command("status")
@with_options
def status(options: Options) -> None:
    """Say whether it runs, and print the variables that point AWS clients at it."""
    running = lifecycle.running(lifecycle.default_state_dir(os.environ))
    if running is None:
        raise OrchestratorError("the local cloud is not running", hint="orchestrator local-cloud start")
    terminal = Terminal(options)
    terminal.say(f"the local cloud answers at {running.url} (pid {running.pid}, log: {running.log})")
    _show(terminal, running)


def _show(terminal: Terminal, running: lifecycle.Running) -> None:
    variables = defaults.client_environment(running.url)
    # Whatever else the shell keeps from its proxy has to stay away from it.
    kept = {"NO_PROXY": "${NO_PROXY:+,$NO_PROXY}"}
    lines = [f'export {name}="{value}{kept.get(name, "")}"' for name, value in variables.items()]
    text = "\n".join([*lines, "unset AWS_SESSION_TOKEN AWS_PROFILE"])
    terminal.result(text, {"url": running.url, "pid": running.pid, "environment": variables})
