"""`orchestrator local-cloud start / stop / status / env / reset / faults`."""

import math
import os
from pathlib import Path

import click

from orchestrator.cli.local_cloud_faults import faults
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud import defaults, lifecycle
from orchestrator.localcloud.wanted import TOKEN_VARIABLE, Wanted


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Let numbers through; what compares with none is none."""
    if value is None or math.isfinite(value):
        return value
    raise click.BadParameter(f"{value} is not a number", ctx, param)


@click.group("local-cloud", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Start, stop or look at the embedded AWS: no account, no Docker, nothing to configure.

    \b
    Examples:
      orchestrator local-cloud start
      eval "$(orchestrator local-cloud env)"       and any AWS client of this shell talks to it
      orchestrator local-cloud start --speed 60 --state ./cloud
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines


command.add_command(faults)


@command.command("start")
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen [4570, or any free port].")
@click.option("--host", metavar="ADDRESS", help="The address to listen on; others need a token [127.0.0.1].")
@click.option("--token", envvar=TOKEN_VARIABLE, help="What every request has to carry.")
@click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="The file that the token is in."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep everything in this folder, for the next start with it.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    help="Seconds of AWS in a real one [1].",
)
@click.option(
    "--launch-seconds",
    type=click.FloatRange(min=0),
    callback=_finite,
    help="How long instances take to come up on AWS [0].",
)
@click.option("--any-image", is_flag=True, default=None, help="Take images that nothing is known of.")
@with_options
def start(options: Options, *, token: str | None, token_file: Path | None, **asked: object) -> None:
    """Start it, unless it is running, and print the variables that point AWS clients at it.

    A token on the command line can be seen by others on this machine: rather set
    ORCHESTRATOR_LOCAL_CLOUD_TOKEN, or name a file.

    \b
    Examples:
      orchestrator local-cloud start
      orchestrator local-cloud start --port 4570 --state cloud
      orchestrator local-cloud start --host 0.0.0.0 --token-file token.txt
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    wanted = Wanted.written({**asked, "token": _token(token, token_file)})
    running = lifecycle.start(_state_dir(), wanted)
    if differing := wanted.otherwise(running.options):
        raise OrchestratorError(
            f"the local cloud runs already, at {running.url}, with other options: {', '.join(differing)}",
            details=[("state", "nothing has changed")],
            hint="orchestrator local-cloud stop         and start it again",
        )
    terminal = Terminal(options)
    terminal.say(f"the local cloud answers at {running.url} (log: {running.log})")
    _show(terminal, running)


@command.command("stop")
@with_options
def stop(options: Options) -> None:
    """Stop it and everything it serves. What was deployed to it is gone, unless --state keeps it.

    \b
    Examples:
      orchestrator local-cloud stop
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    stopped = lifecycle.stop(_state_dir())
    text = "the local cloud has stopped" if stopped else "the local cloud was not running"
    Terminal(options).result(text, {"stopped": stopped})


@command.command("status")
@with_options
def status(options: Options) -> None:
    """Say whether it runs and with what, and print the variables that point AWS clients at it.

    \b
    Examples:
      orchestrator local-cloud status
      orchestrator local-cloud status -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    running = _running()
    terminal = Terminal(options)
    terminal.say(f"the local cloud answers at {running.url} (pid {running.pid}, log: {running.log})")
    for name, value in _told(running.options):
        terminal.say(f"{name}: {value}")
    _show(terminal, running)


@command.command("env")
@with_options
def env(options: Options) -> None:
    """Print the variables that point AWS clients at it, and nothing else.

    \b
    Examples:
      eval "$(orchestrator local-cloud env)"
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    running, terminal = _running(), Terminal(options)
    terminal.warn(defaults.stray_variables(os.environ, running.url))
    _show(terminal, running)


@command.command("reset")
@with_options
def reset(options: Options) -> None:
    """Empty it: endpoints end, and nothing that was made in it is left; it goes on running.

    It asks before it deletes what --state keeps.

    \b
    Examples:
      orchestrator local-cloud reset
      orchestrator local-cloud reset --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    running, terminal = _running(), Terminal(options)
    if running.options.state is not None:
        terminal.confirm(f"delete everything that is kept in {running.options.state}?", destructive=True)
    lifecycle.reset(running)
    terminal.result("the local cloud is empty", {"reset": True, "url": running.url})


def _state_dir() -> Path:
    return lifecycle.default_state_dir(os.environ)


def _running() -> lifecycle.Running:
    """Return the local cloud that runs.

    Raises:
        OrchestratorError: If none does.
    """
    running = lifecycle.running(_state_dir())
    if running is None:
        raise OrchestratorError("the local cloud is not running", hint="orchestrator local-cloud start")
    return running


def _token(token: str | None, file: Path | None) -> str | None:
    """Return the token, from wherever it is.

    Raises:
        OrchestratorError: If its file cannot be read.
    """
    if file is None:
        return token or None
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OrchestratorError(f"the token file '{file}' cannot be read: {why}") from error


def _told(options: Wanted) -> list[tuple[str, object]]:
    """Return what a local cloud runs with, but for its token and where it listens."""
    apart = {"token", "port", "host"}
    return [(name, value) for name, value in options.content().items() if value and name not in apart]


def _show(terminal: Terminal, running: lifecycle.Running) -> None:
    variables = defaults.client_environment(running.url, running.options.token)
    # Whatever else the shell keeps from its proxy has to stay away from it.
    kept = {"NO_PROXY": "${NO_PROXY:+,$NO_PROXY}"}
    lines = [f'export {name}="{value}{kept.get(name, "")}"' for name, value in variables.items()]
    text = "\n".join([*lines, "unset AWS_SESSION_TOKEN AWS_PROFILE"])
    document = {"url": running.url, "pid": running.pid, "environment": variables}
    terminal.result(text, {**document, "options": dict(_told(running.options))})
