"""Which model an answer comes from.

The identity of an archive is the SHA-256 of the canonical JSON of its manifest's list of files. Its first 16
hexadecimal digits travel with every answer, so that a caller can tell which of two models has answered.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

HEADER = "X-Amzn-SageMaker-Custom-Attributes"

_DIGITS = 16
_MAX_CHARACTERS = 1024  # of the header, in visible ASCII: InvokeEndpoint in the SageMaker runtime's API


def of_model(model_dir: str) -> str | None:
    """Return the fingerprint of the archive that is extracted in ``model_dir``; ``None`` without manifest."""
    try:
        manifest = json.loads((Path(model_dir) / "code" / "manifest.json").read_bytes())
        files = manifest["files"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"code/manifest.json is unreadable, answers carry no fingerprint: {error}", file=sys.stderr)  # noqa: T201 - the container's log is stderr
        return None
    spelled = json.dumps(files, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(spelled.encode()).hexdigest()[:_DIGITS]


def mark(context: Any, fingerprint: str) -> None:  # noqa: ANN401 - TorchServe's Context, or the local endpoint's
    """Put ``fingerprint`` into the answer's custom attributes, before those that the caller sent."""
    ours = f"orchestrator-model={fingerprint}"
    theirs = _sent(context)
    both = f"{ours};{theirs}"
    fits = theirs and len(both) <= _MAX_CHARACTERS and both.isascii() and both.isprintable()
    context.set_response_header(0, HEADER, both if fits else ours)


def _sent(context: Any) -> str:  # noqa: ANN401 - see mark
    # get_request_header compares case, and clients spell the name as they like.
    headers = context.get_all_request_header(0) or {}
    values = (value for name, value in headers.items() if str(name).lower() == HEADER.lower())
    value = next(values, "")
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
