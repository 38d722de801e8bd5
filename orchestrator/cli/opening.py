"""From the options of a command to the project it is about."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from orchestrator.api.project import Project
from orchestrator.api.selection import Manner, Selection
from orchestrator.cli import completing
from orchestrator.cli.options import Options
from orchestrator.core.proposal import CONSENTS
from orchestrator.usecases.prepare import Intent

endpoint_argument = click.argument("endpoint", required=False, shell_complete=completing.endpoints)
endpoint_option = click.option(
    "--endpoint", metavar="NAME", shell_complete=completing.endpoints, help="The endpoint [the project's]."
)
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
wait_option = click.option(
    "--wait/--no-wait",
    default=True,
    help="Whether to wait until it has arrived; without, `resume` finds out later.",
)
rollout_option = click.option(
    "--rollout",
    type=click.Choice(["all-at-once", "canary", "linear", "rolling"]),
    help="How traffic moves [the spec's rollout.type].",
)
accept_option = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(CONSENTS),
    help="Consent to what a rule asks about: a change without a way back; may be repeated.",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to watch a change, besides its baking; it goes on without us.",
)


@dataclass(frozen=True, slots=True)
class How:
    """How a deployment or a rollback is to be done, as the options say that both have.

    Attributes:
        wait: Whether to wait until it has arrived.
        timeout: For how many seconds to watch it.
    """

    endpoint: str | None = None
    rollout: str | None = None
    reason: str = ""
    accept: tuple[str, ...] = ()
    wait: bool = True
    timeout: float = 3600.0

    def manner(self, *, start_local: bool = False) -> Manner:
        """Return how to go about it."""
        return Manner(start_local=start_local, deadline_seconds=self.timeout)

    def intent(self, project: Project) -> Intent:
        """Return what the journal is told of it."""
        return project.intent(self.reason, self.accept, wait=self.wait)


def with_how(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that deployments and rollbacks have, and hand them over as ``how``."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the command takes and returns
        own = {field.name: kwargs.pop(field.name) for field in fields(How)}
        return function(*args, how=How(**own), **kwargs)

    for option in (
        timeout_option,
        wait_option,
        accept_option,
        reason_option,
        rollout_option,
        endpoint_option,
    ):
        wrapper = option(wrapper)
    return wrapper


def selection(options: Options, endpoint: str | None = None, **settings: str | None) -> Selection:
    """Return which spec, environment and endpoint are meant.

    Args:
        options: The common ones.
        endpoint: What was named, if anything.
        settings: What stands in for keys of the spec, ``__`` for the dot; ``None`` stands in for nothing.
    """
    given: dict[str, Any] = {"region": options.region, **settings}
    named = tuple((key.replace("__", "."), value) for key, value in given.items() if value is not None)
    return Selection(options.config, options.env, endpoint, options.profile, named)


def project(options: Options, endpoint: str | None = None, manner: Manner | None = None) -> Project:
    """Return the project that a command is about.

    Raises:
        SpecError: If the spec is wrong, or has several endpoints and none was named.
    """
    return Project.select(selection(options, endpoint), manner)
