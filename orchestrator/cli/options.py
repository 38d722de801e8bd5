"""The options that every command has, before it or after it."""

import functools
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

import click

from orchestrator.cli import completing
from orchestrator.core.errors import OrchestratorError

_Function = TypeVar("_Function", bound=Callable[..., Any])
# A command at the beginning of a line, up to the wide gap before what it is for. One that names its own
# environment means that one, and the local cloud is the same from everywhere.
_COMMAND = re.compile(r"^orchestrator (?!local-cloud|.* --env )\S+(?: \S+)*", re.MULTILINE)
_NAMES = ("config", "env", "profile", "region", "output", "quiet", "verbose", "yes", "no_color")


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, wherever on the line it stood."""

    config: str = "orchestrator.toml"
    env: str = "local"
    profile: str | None = None
    region: str | None = None
    output: str = "text"
    quiet: bool = False
    verbose: bool = False
    yes: bool = False
    no_color: bool = False

    @property
    def json(self) -> bool:
        """Whether stdout is to hold one JSON document."""
        return self.output == "json"

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def again(text: str, options: Options) -> str:
    """Return ``text`` with its commands meant for the spec and the environment that this one was about.

    >>> again("orchestrator history owl   what happened", Options(env="prod"))
    'orchestrator history owl --env prod   what happened'
    """
    usual = Options()
    named = ("config", "env", "profile", "region")
    given = [
        (name, getattr(options, name)) for name in named if getattr(options, name) != getattr(usual, name)
    ]
    same = "".join(f" --{name} {shlex.quote(value)}" for name, value in given)
    return _COMMAND.sub(lambda found: found[0] + same, text)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether ``stream`` is a terminal; Python has ``None`` for one that was closed when it began."""
    return stream is not None and stream.isatty()


_DECORATORS = (
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        envvar="ORCHESTRATOR_CONFIG",
        shell_complete=completing.files,
        help="The spec [orchestrator.toml].",
    ),
    click.option(
        "-e",
        "--env",
        metavar="NAME",
        envvar="ORCHESTRATOR_ENV",
        shell_complete=completing.environments,
        help="The environment [local].",
    ),
    click.option("--profile", metavar="NAME", help="The profile of the AWS configuration to use."),
    click.option("--region", metavar="NAME", help="The AWS region."),
    click.option("-o", "--output", type=click.Choice(["text", "json"]), help="The form of stdout [text]."),
    click.option("-q", "--quiet", is_flag=True, default=None, help="Say nothing but the result."),
    click.option("-v", "--verbose", is_flag=True, default=None, help="Say more."),
    click.option("--yes", is_flag=True, default=None, help="Do not ask."),
    click.option("--no-color", is_flag=True, default=None, envvar="NO_COLOR", help="Do not colour."),
)


def common_options(function: _Function) -> _Function:
    """Add the common options to a command or to the group."""
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function


def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command, and hand them over as its first argument, an `Options`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the command takes and returns
        own = {name: kwargs.pop(name) for name in _NAMES}
        options = _merge(own)
        try:
            return function(options, *args, **kwargs)
        except OrchestratorError as error:
            error.hint = error.hint and again(error.hint, options)
            raise

    return common_options(wrapper)


def _merge(own: dict[str, Any]) -> Options:
    """Return what stands after the command, and what stands before it where nothing does."""
    outer = click.get_current_context().find_root().params
    given = {name: outer.get(name) if own[name] is None else own[name] for name in _NAMES}
    return Options(**{name: value for name, value in given.items() if value is not None})
