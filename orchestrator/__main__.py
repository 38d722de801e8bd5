"""The command `orchestrator`, and `python -m orchestrator`."""

import sys

from orchestrator.cli.boundary import run
from orchestrator.cli.main import cli


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(cli, sys.argv[1:]))


if __name__ == "__main__":
    main()
