"""What checkov, a scanner that others wrote, says of our templates.

``python -m tests.conformance.infrastructure`` installs it into an environment of its own (about 290 MB, too
much for every run of the tests) and fails if any of its checks does. Exceptions are justified in place.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import environments
from tests.support.infra_templates import FOLDER

_VERSION = "3.3.30"


def installed() -> Path:
    """Return the folder of checkov's environment, made if need be."""
    return environments.installed("checkov", f"checkov=={_VERSION}")


def failures(environment: Path) -> list[str]:
    """Return the checks that fail, each with what it is about.

    Raises:
        CalledProcessError: If checkov itself fails.
    """
    options = ["--framework", "cloudformation", "--skip-download", "--compact", "--soft-fail", "-o", "json"]
    command = [str(environment / "bin" / "checkov"), "-d", str(FOLDER), *options]
    # Without a network it still looks for a newer version, and waits.
    variables = {**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=variables).stdout
    results = json.loads(told)["results"]
    assert results["passed_checks"], told
    assert not results["parsing_errors"], told
    failed = results["failed_checks"]
    return [f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in failed]


def main() -> int:
    """Print what fails; return whether anything does."""
    found = failures(installed())
    sys.stdout.write("\n".join(found or ["checkov finds nothing in infra/"]) + "\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
