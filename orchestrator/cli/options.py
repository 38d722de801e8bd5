"""The options that every command has, before it or after it."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])
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


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether ``stream`` is a terminal; Python has ``None`` for one that was closed when it began."""
    return stream is not None and stream.isatty()


_DECORATORS = (
    click.option("-c", "--config", metavar="FILE", envvar="ORCHESTRATOR_CONFIG", help="The spec."),
    click.option("-e", "--env", metavar="NAME", envvar="ORCHESTRATOR_ENV", help="The environment [local]."),
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
        return function(_merge(own), *args, **kwargs)

    return common_options(wrapper)


def _merge(own: dict[str, Any]) -> Options:
    """Return what stands after the command, and what stands before it where nothing does."""
    outer = click.get_current_context().find_root().params
    given = {name: outer.get(name) if own[name] is None else own[name] for name in _NAMES}
    return Options(**{name: value for name, value in given.items() if value is not None})
