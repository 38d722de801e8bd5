"""The page on the Python API, run as a reader would: one block after the other, in a project's folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Shell, write_files

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python-api.md"


def test_the_examples_of_the_page_hold(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    write_files(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 3
    try:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
            cwd=tmp_path,
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        shell.run("local-cloud", "stop")
    assert done.returncode == 0, done.stderr
