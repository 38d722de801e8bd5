"""`orchestrator completion`."""

import click
from click.shell_completion import get_completion_class

from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal

_PROGRAM = "orchestrator"
# Click looks for this variable whenever the program starts, and completes in place of running.
_VARIABLE = "_ORCHESTRATOR_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_options
def command(options: Options, shell: str) -> None:
    """Print a script that lets a shell complete commands, options, environments and endpoints.

    The last two come from the spec that the line names. Put the line for your shell into its start-up file.

    \b
    Examples:
      eval "$(orchestrator completion bash)"                in ~/.bashrc
      eval "$(orchestrator completion zsh)"                 in ~/.zshrc, after compinit
      orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    kind = get_completion_class(shell)
    assert kind is not None, f"Click does not know {shell}"  # noqa: S101 - the three it has had from the first
    made = kind(click.get_current_context().find_root().command, {}, _PROGRAM, _VARIABLE)
    script = made.source_template % made.source_vars()
    Terminal(options).result(script.strip(), {"shell": shell, "script": script})
