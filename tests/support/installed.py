"""An environment that was empty and has the wheel, and commands that are run there."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Generous: a project's own check needs 45 s of a processor, and others may be using it.
COMMAND_SECONDS = 600


@dataclass(frozen=True)
class Installed:
    """An environment that was empty, and has the wheel with all its extras.

    Attributes:
        programs: The folder of its programs.
    """

    programs: Path

    def environment(self, state: Path) -> dict[str, str]:
        """Return the variables of a shell that has it, and nothing of the developer's own.

        Args:
            state: Where its local cloud is kept.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PYTHON", "ORCHESTRATOR_"))
        }
        return {
            **kept,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "ORCHESTRATOR_STATE_DIR": str(state),
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        }

    def run(self, command: Sequence[str], folder: Path, state: Path) -> str:
        """Run a command to its end, which has to be good, and return what it wrote to stdout."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment(state),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout
