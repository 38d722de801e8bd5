"""The command `orchestrator`, and `python -m orchestrator`."""

import signal
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process with its exit code.

    SIGTERM, which a cancelled CI job gets, is an interruption like Ctrl-C: the journal records it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from orchestrator.cli.boundary import run  # noqa: PLC0415 - an interruption while importing is one, too
        from orchestrator.cli.main import cli  # noqa: PLC0415 - likewise
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(run(cli, sys.argv[1:]))


if __name__ == "__main__":
    main()
