"""``python -m orchestrator.localcloud``: run a local cloud in the foreground."""

import argparse
import math
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.lifecycle import check_installed
from orchestrator.localcloud.wanted import TOKEN_VARIABLE, Wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a local cloud until it is told to end; return the exit status."""
    parsed = _parser().parse_args(arguments)
    # Out of the environment: what is started from here on, models among it, is not to know it.
    token = os.environ.pop(TOKEN_VARIABLE, None) or None
    _isolate()
    try:
        check_installed()
        # After `_isolate`: moto reads its settings when it is imported.
        from orchestrator.localcloud.server import Options, serve  # noqa: PLC0415 - see the line above

        serve(
            Options(
                parsed.state_dir.absolute(),
                _wanted(parsed, token),
                shlex.split(parsed.container),
                exits_with_stdin=parsed.exit_with_stdin,
            )
        )
    except OrchestratorError as error:
        # One line: whoever has started it shows the last one.
        sys.stderr.write(f"{error}" + (f" (next: {error.hint})" if error.hint else "") + "\n")
        return error.exit_code
    return 0


def _wanted(parsed: argparse.Namespace, token: str | None) -> Wanted:
    return Wanted(
        parsed.port,
        parsed.host,
        token,
        parsed.state.absolute() if parsed.state else None,
        parsed.speed,
        parsed.launch_seconds,
        parsed.any_image,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.localcloud",
        description=__doc__,
        epilog=f"{TOKEN_VARIABLE} in the environment is what every request has to carry.",
    )
    parser.add_argument("--state-dir", type=Path, required=True, help="its own folder, made if need be")
    parser.add_argument("--port", type=int, help="where it listens; 0 for any free port")
    parser.add_argument("--host", help="the address it listens on; any but the loopback needs a token")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where everything that is in it is kept")
    parser.add_argument("--speed", type=_positive, help="how many seconds of AWS pass in a real one")
    parser.add_argument("--launch-seconds", type=_seconds, help="how long instances take to come up")
    parser.add_argument("--any-image", action="store_true", help="take images that nothing is known of")
    parser.add_argument(
        "--container",
        default=shlex.join((sys.executable, "-m", "orchestrator.serving")),
        help="the program that serves a model, in place of orchestrator.serving",
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="end once standard input ends")
    return parser


def _seconds(text: str) -> float:
    """Read a number of seconds.

    Raises:
        ValueError: If it is none.
    """
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _positive(text: str) -> float:
    """Read a number above 0.

    Raises:
        ValueError: If it is none.
    """
    number = _seconds(text)
    if not number:
        raise ValueError(text)
    return number


def _isolate() -> None:
    """Make this process deaf to the user's settings of AWS and moto, and moto to web pages.

    A profile that is missing or an endpoint that is set would otherwise reach the clients that the local
    cloud has for itself.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # moto would otherwise answer to every browser origin; any text counts as true.
        "MOTO_DISABLE_GLOBAL_CORS": "true",
    }


if __name__ == "__main__":
    raise SystemExit(main())
