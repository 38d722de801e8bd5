"""What a local cloud that was killed, or ended with the machine, has left to go on with."""

import json
import shlex
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.lifecycle import STATE_FILE
from orchestrator.localcloud.wanted import Wanted


def check(state_dir: Path) -> None:
    """Check that an empty local cloud would not take the place of one whose content is kept.

    One that is stopped takes its file along; the file of one that was killed stays, and names its options.

    Args:
        state_dir: The folder of a local cloud that does not run.

    Raises:
        OrchestratorError: If there was one with ``--state``.
    """
    try:
        options = Wanted.written(json.loads((state_dir / STATE_FILE).read_text()).get("options", {}))
    except (OSError, ValueError, TypeError, AttributeError):
        return
    if options.state is None or not options.state.is_dir():
        return
    speed = f" --speed {options.speed:g}" if options.speed else ""
    raise OrchestratorError(
        f"the local cloud has ended by itself; what was in it is kept in '{options.state}'",
        details=[("state", "nothing has changed")],
        hint=f"orchestrator local-cloud start --state {shlex.quote(str(options.state))}{speed}",
    )
