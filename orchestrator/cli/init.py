"""`orchestrator init`."""

import shlex

import click

from orchestrator.api import init_wiring
from orchestrator.api.init_wiring import Placed
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.render import counted
from orchestrator.cli.terminal import Terminal
from orchestrator.core.projects import RECIPES, TASKS, Asked

_NO_RECIPE = "none"
_NEXT = (
    "orchestrator package                       build and try it",
    "orchestrator deploy                        to the embedded local cloud",
    "orchestrator test --remote                 ask the endpoint the golden cases",
)


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option("--task", type=click.Choice(TASKS), help="What the model is for [tabular].")
@click.option("--name", metavar="NAME", help="The project's name, and its endpoint's [the folder's].")
@click.option(
    "--ci", type=click.Choice([*RECIPES, _NO_RECIPE]), default=_NO_RECIPE, help="Add a recipe for it [none]."
)
@click.option("--keep", is_flag=True, help="Leave files that are in the way as they are; write the rest.")
@with_options
def command(
    options: Options, *, folder: str, task: str | None, name: str | None, ci: str, keep: bool
) -> None:
    """Begin a project that works at once: spec, source, trained weights, golden cases and tests.

    The model is small and real: `train.py` has trained it on data that lie in the project or are made
    there, and trains it again. Put your own in its place. Nothing is overwritten: files that are in the way
    are named, and nothing is written. In the folder of a project, `init --ci` adds the recipe and nothing
    else.

    \b
    Examples:
      orchestrator init demo
      orchestrator init demo --task image --ci github
      orchestrator init --ci gitlab              in the folder of a project
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    if not folder:
        # What an unset variable in a script gives must not become the folder one is in.
        raise click.UsageError("the folder's name is empty; '.' is the one you are in")
    recipe = None if ci == _NO_RECIPE else ci
    placed = init_wiring.init(folder, Asked(task, name, recipe, keep))
    _show(placed, folder, recipe, Terminal(options))


def _show(placed: Placed, folder: str, recipe: str | None, terminal: Terminal) -> None:
    begun = placed.begun
    document = {
        "folder": folder,
        "name": begun.name,
        "task": begun.task,
        "ci": recipe,
        "written": list(begun.written),
        "kept": list(begun.kept),
    }
    what = "recipe for CI" if begun.task is None else f"{begun.task} project '{begun.name}'"
    terminal.result(f"{folder}: {what}, {counted(len(begun.written), 'new file')}", document)
    terminal.detail("\n".join(begun.written))
    if recipe is not None and placed.repository is not None:
        terminal.warn(
            [f"CI reads a recipe in a repository's top folder only, which is '{placed.repository}'"]
        )
    if begun.task is not None:
        there = () if folder == "." else (f"cd {shlex.quote(folder)}",)
        terminal.say("\n".join(("next:", *(f"  {line}" for line in (*there, *_NEXT)))))
