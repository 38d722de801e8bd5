"""Every name of moto that the local cloud relies on: they are internal to moto and may move.

Looked up in a process of its own, since importing moto changes every boto3 session made later.
"""

import subprocess
import sys

SYMBOLS = [
    ("moto.applicationautoscaling.models", "ScalableDimensionValueSet"),
    ("moto.cloudwatch.models", "MetricDatum"),
    ("moto.cloudwatch.models", "MetricDatumBase"),
    ("moto.cloudwatch.models", "cloudwatch_backends"),
    ("moto.core.request", "PRESERVED_HEADER_NAMES_ENVIRON_KEY"),
    ("moto.core.request", "environ_key_for_header"),
    ("moto.core.request", "should_preserve_original_header_name"),
    ("moto.iam.models", "get_account_id_from"),
    ("moto.moto_server.werkzeug_app", "DomainDispatcherApplication"),
    ("moto.moto_server.werkzeug_app", "create_backend_app"),
    ("moto.settings", "DISABLE_GLOBAL_CORS"),
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


def test_every_symbol_that_we_use_is_there() -> None:
    missing = f"[s for s in {SYMBOLS!r} if not hasattr(importlib.import_module(s[0]), s[1])]"
    assert wanting(f"import importlib; print({missing})") == "[]"


def test_they_mean_what_we_take_them_to_mean() -> None:
    imports = "from moto import settings; from moto.core import request; from moto.iam import models"
    assert wanting(f"{imports}; print([c for c in {CLAIMS!r} if not eval(c)])") == "[]"
