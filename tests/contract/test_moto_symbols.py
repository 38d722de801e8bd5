"""Every name of moto that the local cloud relies on: they are internal to moto and may move.

Looked up in a process of its own, since importing moto changes every boto3 session made later.
"""

import ast
import subprocess
import sys
from pathlib import Path

import orchestrator

# Besides what is imported.
SYMBOLS = [
    ("moto.applicationautoscaling.models", "ScalableDimensionValueSet"),
    ("moto.events.models", "events_backends"),
    ("moto.resourcegroupstaggingapi.models", "iter_taggable_backends"),
    ("moto.s3.models", "S3_UPLOAD_PART_MIN_SIZE"),
    ("moto.s3.responses", "compute_checksum"),
    ("moto.s3.responses", "xmltodict"),
    ("moto.sns.models", "sns_backends"),
]


CLAIMS = [
    "settings.DISABLE_GLOBAL_CORS is True",
    "request.should_preserve_original_header_name('x-amz-meta-my_key')",
    "not request.should_preserve_original_header_name('x-amz-acl')",
    "request.environ_key_for_header('x-amz-meta-my_key') == 'HTTP_X_AMZ_META_MY_KEY'",
    "request.PRESERVED_HEADER_NAMES_ENVIRON_KEY == 'moto.preserved_header_names'",
    "models.get_account_id_from('local') == '123456789012'",
]


def wanting(program: str) -> str:
    """Return what ``program`` prints, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"MOTO_DISABLE_GLOBAL_CORS": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def imported() -> set[tuple[str, str]]:
    """Return every name that a module of ours imports from moto."""
    trees = (ast.parse(path.read_text()) for path in Path(orchestrator.__path__[0]).rglob("*.py"))
    return {
        (node.module, name.name)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("moto.")
        for name in node.names
    }


def test_every_symbol_that_we_use_is_there() -> None:
    used = sorted({*imported(), *SYMBOLS})
    assert ("moto.s3.models", "s3_backends") in used
    # All modules first: some are used as names of their packages.
    modules = f"{{m: importlib.import_module(m) for m, _ in {used!r}}}"
    missing = f"[s for s in {used!r} if not hasattr(modules[s[0]], s[1])]"
    assert wanting(f"import importlib; modules = {modules}; print({missing})") == "[]"


def test_they_mean_what_we_take_them_to_mean() -> None:
    imports = "from moto import settings; from moto.core import request; from moto.iam import models"
    assert wanting(f"{imports}; print([c for c in {CLAIMS!r} if not eval(c)])") == "[]"
