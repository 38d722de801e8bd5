"""The group of all commands. Imports none of them: `orchestrator --help` must be quick."""

import difflib
import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

from orchestrator import __version__
from orchestrator.cli.options import common_options

# Name of the command, what its help says in one line. The module has the same name, `-` as `_`.
COMMANDS = {
    "init": "Begin a project that works at once, or add a recipe for CI to one.",
    "inspect": "Say what a model file holds, without running anything in it.",
    "package": "Build model.tar.gz with its generated entry point, and try it.",
    "verify": "Check an archive's digests, layout and safety.",
    "upload": "Send the project's archive to S3, under a key made of its content.",
    "local-serve": "Serve an archive, a folder or the project on a port, as the container would.",
    "test": "Ask the project, an archive or the live endpoint the golden cases.",
    "bench": "Put a server under load, and say how long its answers take.",
    "plan": "Show what a deploy would change, and change nothing.",
    "deploy": "Create or update the endpoint, and wait until it has truly arrived.",
    "resume": "Finish what was begun, from wherever it stopped.",
    "rollback": "Go back to an earlier revision.",
    "status": "Show what serves which share of traffic, since when, who deployed it and why.",
    "history": "Show every attempt to change the endpoint.",
    "drift": "Show in what the endpoint differs from what was deployed.",
    "bootstrap": "Set up what an account needs, and write into the spec what was made.",
    "doctor": "Examine machine, project, account and live endpoint, and say how to mend what is wrong.",
    "alarms": "Show the alarms that can roll a deployment back, and what keeps them from it.",
    "audit": "Check the record of what was done to an endpoint.",
    "logs": "Show what the endpoint's containers have written.",
    "invoke": "Send one request to the endpoint.",
    "adopt": "Take over an endpoint that was made by other means.",
    "sweep": "Delete what nothing serves, keeps or references.",
    "destroy": "Delete the endpoint and everything that was made for it.",
    "local-cloud": "Start, stop or look at the embedded AWS.",
    "config": "Show the resolved settings, or the spec's JSON Schema.",
    "completion": "Let a shell complete commands, options, environments and endpoints.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"orchestrator.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # A line that is being completed is half written, and nobody is told what is wrong with it.
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"there is no command '{name}'{meant}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [
            CompletionItem(name, help=told) for name, told in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="orchestrator")
@common_options
def cli(**_: Any) -> None:  # noqa: ANN401 - the options are read from the context, where both places meet
    """Package PyTorch models, deploy them to SageMaker, and tell the truth about the outcome.

    \b
    Examples:
      orchestrator init demo              begin a project that works at once
      orchestrator deploy                 to the embedded local cloud: no account, no Docker
      orchestrator deploy --env prod      to the account and region of [env.prod]
      orchestrator rollback               back to what was deployed before
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
