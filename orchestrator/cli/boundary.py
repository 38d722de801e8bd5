"""The one place where an exception becomes a message and an exit code."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

from orchestrator import __version__
from orchestrator.core.errors import OrchestratorError

USAGE, BUG, INTERRUPTED = 2, 70, 130


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run ``command`` and return the exit code: expected errors, interruptions and bugs are told apart."""
    try:
        result = command.main(list(arguments), prog_name="orchestrator", standalone_mode=False)
    except OrchestratorError as error:
        return _expected(error, arguments)
    except click.ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted: run the same command again, it picks up where this one stopped", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:  # noqa: BLE001 - the boundary: whatever gets here is a bug of ours
        return _bug(arguments)
    return result if isinstance(result, int) else 0


def _expected(error: OrchestratorError, arguments: Sequence[str]) -> int:
    from orchestrator.cli import render  # noqa: PLC0415 - only a failing command needs it

    if _wants_json(arguments):
        click.echo(render.error_document(error))
    click.echo(render.error(error), err=True)
    return error.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    asked = any(flag in {"-o", "--output"} and value == "json" for flag, value in pairs)
    return asked or "--output=json" in arguments or "-ojson" in arguments


def _usage(error: click.ClickException) -> int:
    click.echo(f"error[usage]: {error.format_message().rstrip('.')}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"  next   {error.ctx.command_path} --help", err=True)
    return USAGE


def _bug(arguments: Sequence[str]) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="orchestrator-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write(f"orchestrator {__version__}, Python {sys.version}\n")
        report.write(f"arguments: {list(arguments)}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().rstrip().rpartition("\n")[2]
    click.echo(f"error[bug]: {last}", err=True)
    click.echo(
        f"  report {report.name}\n  next   send us that file; it holds no values of the spec", err=True
    )
    return BUG
