"""``python -m orchestrator.localcloud``: run a local cloud in the foreground."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.lifecycle import check_installed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a local cloud until it is told to end; return the exit status."""
    parsed = _parser().parse_args(arguments)
    _isolate()
    try:
        check_installed()
        # After `_isolate`: moto reads its settings when it is imported.
        from orchestrator.localcloud.server import Options, serve  # noqa: PLC0415 - see the line above

        serve(Options(parsed.state_dir.absolute(), parsed.port, shlex.split(parsed.container)))
    except OrchestratorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.localcloud", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="its own folder, made if need be")
    parser.add_argument("--port", type=int, help="where it listens; 0 for any free port")
    parser.add_argument(
        "--container",
        default=shlex.join((sys.executable, "-m", "orchestrator.serving")),
        help="the program that serves a model, in place of orchestrator.serving",
    )
    return parser


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
