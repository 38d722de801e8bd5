"""Which commit of the project is deployed: git's word on it, or the CI system's."""

import shutil
import subprocess
from collections.abc import Mapping

_VARIABLES = ("ORCHESTRATOR_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "CODEBUILD_RESOLVED_SOURCE_VERSION")
_PATIENCE_SECONDS = 5.0
_MAX_LENGTH = 64


def describe(root: str, environ: Mapping[str, str]) -> str:
    """Return the commit that the folder ``root`` is at, with ``-dirty`` if files differ from it.

    Args:
        root: A folder of the project.
        environ: The process's variables: what CI systems say stands in where there is no repository.

    Returns:
        Empty if nobody can tell. It is a remark in the journal, and stops no deployment.
    """
    told = next((environ[name] for name in _VARIABLES if environ.get(name)), "")
    return (_ask_git(root) or told)[:_MAX_LENGTH]


def _ask_git(root: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    # No tag takes the place of the digest: `--exclude '*'`. The repository's own fsmonitor is a program that
    # git would run.
    command = [git, "-C", root, "-c", "core.fsmonitor=false", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(  # noqa: S603 - git itself, with nothing of a user's but a folder
            [*command, "--abbrev=40", "--exclude", "*"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
