"""The one place where an exception becomes a message and an exit code."""

import itertools
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click
from click.exceptions import NoArgsIsHelpError

from orchestrator import __version__
from orchestrator.core.errors import OrchestratorError


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run ``command`` and return the exit code: expected errors, interruptions and bugs are told apart."""
    try:
        result = command.main(list(arguments), prog_name="orchestrator", standalone_mode=False)
    except OrchestratorError as error:
        return _said(error, arguments)
    except NoArgsIsHelpError as error:
        # A group by itself: its help says what can follow, and is no sentence of an error.
        sys.stderr.write(f"{error.format_message()}\n")
        return UsageError.exit_code
    except click.ClickException as error:
        return _said(_usage(error), arguments)
    except (KeyboardInterrupt, click.Abort):
        return _said(InterruptedByUserError(), arguments)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the boundary: whatever gets here is a bug of ours
        return _said(_bug(error, arguments), arguments)
    return result if isinstance(result, int) else 0


def expected(error: BaseException, arguments: Sequence[str] = ()) -> OrchestratorError:
    """Return what a person is told of an exception that ended one of several threads; a bug gets a report."""
    match error:
        case OrchestratorError():
            return error
        case KeyboardInterrupt() | SystemExit():
            return InterruptedByUserError()
        case _:
            return _bug(error, arguments)


class UsageError(OrchestratorError):
    """The command line is wrong."""

    code = "usage"
    exit_code = 2


class InterruptedByUserError(OrchestratorError):
    """Ctrl-C, SIGTERM, or the end of a question's input."""

    code = "interrupted"
    exit_code = 130

    def __init__(self, begun: str | None = None) -> None:
        """Say what finishes it.

        Args:
            begun: The endpoint of which a change may have begun.
        """
        super().__init__(
            "interrupted",
            hint="run the same command again: what has been done is not done twice"
            if begun is None
            else f"orchestrator resume --endpoint {begun}          finish it; what AWS has begun goes on",
        )


class BugError(OrchestratorError):
    """Something happened that nobody thought of."""

    code = "bug"
    exit_code = 70


def _said(error: OrchestratorError, arguments: Sequence[str]) -> int:
    from orchestrator.cli import render  # noqa: PLC0415 - only a failing command needs it

    if _wants_json(arguments):
        click.echo(render.error_document(error))
    click.echo(render.error(error), err=True)
    return error.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = itertools.zip_longest(arguments, arguments[1:])
    asked = any(flag in {"-o", "--output"} and value == "json" for flag, value in pairs)
    return asked or "--output=json" in arguments or "-ojson" in arguments


def _usage(error: click.ClickException) -> UsageError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = None if context is None else f"{context.command_path} --help"
    return UsageError(error.format_message().rstrip("."), hint=hint)


def _bug(error: BaseException, arguments: Sequence[str]) -> BugError:
    told = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="orchestrator-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as report:
        report.write(f"orchestrator {__version__}, Python {sys.version}\n")
        report.write(f"arguments: {list(arguments)}\n\n{told}")
    return BugError(
        told.rstrip().rpartition("\n")[2],
        details=[("report", report.name)],
        hint="look through that file, which holds the arguments and a traceback, and send it to us",
    )
