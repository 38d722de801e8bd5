"""Every help text has examples, and each of them is a line that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs.generate import commands
from orchestrator.cli.main import cli

COMMANDS = {context.command_path: command for context, command in commands()}
_EXAMPLES = re.compile(r"^\s*Examples:\n(.*?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_WITHIN = re.compile(r"\$\((orchestrator .*?)\)")
# What follows is for the shell, or for the reader.
_AFTER = re.compile(r"  +| [|>&;] ")
_OTHERS = ("curl ",)
_FILE = re.compile(r"(?:[\w-]+/)*[\w-]+\.\w+")


def examples(command: click.Command) -> list[str]:
    """Return the lines of orchestrator's in the examples of a help text."""
    return [line for block in _EXAMPLES.findall(command.help or "") for line in _lines(block)]


def _lines(block: str) -> Iterator[str]:
    for line in map(str.strip, block.strip().splitlines()):
        within = _WITHIN.search(line)
        if not line.startswith(_OTHERS):
            yield within[1] if within else _AFTER.split(line, maxsplit=1)[0]


def meant(line: str) -> str:
    """Return which command a line is for, after the command line has taken it.

    Raises:
        click.UsageError: If it does not.
    """
    program, *arguments = shlex.split(line)
    context = cli.make_context(program, arguments)
    while isinstance(context.command, click.Group) and context._protected_args + context.args:  # noqa: SLF001 - Click's own way down
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - likewise
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context.command_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_examples_are_lines_that_it_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = examples(COMMANDS[name])
    for word in _FILE.findall("\n".join(shown)):  # a file that is read has to be there
        (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / word).touch()
    paths = [re.sub(r" [A-Z]+|\[.*\]", "", meant(line)) for line in shown]
    assert [path for path in paths if path == name or path.startswith(f"{name} ")] != []


@pytest.mark.parametrize(
    "line",
    [
        "orchestrator deploi",
        "orchestrator deploy --evn prod",
        "orchestrator plan --rollout fast",
        "orchestrator adopt",
    ],
)
def test_a_line_that_the_command_line_does_not_take_is_noticed(line: str) -> None:
    with pytest.raises(click.UsageError):
        meant(line)
