"""The command `orchestrator`, and `python -m orchestrator`."""

import os
import signal
import sys

_INTERRUPTED = 130
_STREAMS = ("stdin", "stdout", "stderr")


def main() -> None:
    """Run the command line and end the process with its exit code.

    SIGTERM, which a cancelled CI job gets, is an interruption like Ctrl-C: the journal records it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _fill_gaps()
    try:
        from orchestrator.cli.boundary import run  # noqa: PLC0415 - an interruption while importing is one, too
        from orchestrator.cli.main import cli  # noqa: PLC0415 - likewise
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(run(cli, sys.argv[1:]))


def _fill_gaps() -> None:
    """Stand in for standard streams that are closed: the next file or socket would get their number.

    It would be taken for stderr, also by the processes that are started.
    """
    for number, name in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            # The lowest number that is free, which is this one.
            stream = open(os.devnull, "w" if number else "r", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
            os.set_inheritable(stream.fileno(), True)  # noqa: FBT003 - the standard library's signature
            setattr(sys, name, stream)


if __name__ == "__main__":
    main()
