"""The traps of `orchestrator.serving.traps` that show in an archive, in a request or in an answer."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.serving import answers
from orchestrator.serving.contract import CODE_FOLDER
from orchestrator.serving.messages import Assignment, Request, Response
from orchestrator.serving.worker import formats
from orchestrator.serving.worker.arriving import Arrived
from orchestrator.serving.worker.entrypoint import Functions
from orchestrator.serving.worker.importing import SHADOWED, top_level_modules
from orchestrator.serving.worker.written import is_tensor

Found = tuple[str, str]
"""A trap's slug, and where it was found."""

_LONGEST_REASON = 8192  # what the common clients and proxies take of a status line, or less
_PAIR = 2
_UNSUPPORTED = answers.unsupported_output()


def in_archive(assignment: Assignment, functions: Functions) -> Iterator[Found]:
    """Yield the traps of an entry point that was found, or was not."""
    if functions.module is None:
        yield "entry-point-missing", f"'{assignment.module}'"
    missing = functions.missing()
    if missing:
        yield "default-functions", f"'{assignment.module}' lacks {', '.join(missing)}"
    if "input_fn" in missing:
        yield "unsafe-npy", f"'{assignment.module}' lacks input_fn"
    for name in functions.starred():
        yield "star-parameters", f"'{name}' of '{assignment.module}'"
    for name in _modules(assignment):
        if name in SHADOWED:
            yield "shadowed-module", f"'{name}'"


def _modules(assignment: Assignment) -> Iterator[str]:
    yield from top_level_modules(Path(assignment.root) / CODE_FOLDER)
    if assignment.folder != assignment.root:
        yield from top_level_modules(Path(assignment.folder))


Listing = Mapping[str, tuple[int, int]]
"""Of a folder's files: sizes and times of the last change, by relative path."""


def listing(folder: Path) -> Listing:
    """Return the files below ``folder``."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of files, before every start
            status = os.lstat(path)
            found[os.path.relpath(path, folder)] = (status.st_size, status.st_mtime_ns)
    return found


def written_between(before: Listing, after: Listing) -> Iterator[Found]:
    """Yield the trap of an entry point that writes into the model folder while it loads."""
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield "model-folder-written", f"'{changed[0]}'{more}"


def in_request(request: Request, arrived: Arrived) -> Iterator[Found]:
    """Yield the traps of a request."""
    if arrived.is_form:
        yield "form-body", "the request"
    for name, value in request.headers:
        lower = name.lower()
        if (lower == "accept" and name not in {"Accept", "accept"}) or (
            lower == "content-type" and arrived.content_type != value
        ):
            yield "header-spelling", f"the header {name}"
    given = str(arrived.content_type)
    media_type = given.partition(";")[0].strip().lower()
    if given not in formats.UTF8_TYPES and media_type in formats.UTF8_TYPES:
        yield "content-type-parameters", f"Content-Type: {given}"


def in_result(result: object, accept: object) -> Iterator[Found]:
    """Yield the traps of what the last handler function has returned."""
    output = result
    if isinstance(result, tuple):
        output = result[0] if result else None
        if len(result) > _PAIR:
            yield "long-tuple", f"a tuple of {len(result)}"
    elif "," in str(accept):
        yield "accept-list", f"Accept: {accept}"
    if is_tensor(output):
        yield "tensor-output", "the answer"


def in_response(response: Response, max_response_bytes: int) -> Iterator[Found]:
    """Yield the traps of an answer as it is written."""
    if response == _UNSUPPORTED:
        yield "output-not-supported", "the answer"
    if len(response.reason or "") > _LONGEST_REASON:
        yield "error-too-long", f"a text of {len(response.reason or '')} characters"
    if len(response.body) > max_response_bytes:
        yield "response-too-large", f"{len(response.body)} bytes"
    if (b"NaN" in response.body or b"Infinity" in response.body) and _is_lenient_json(response):
        yield "not-json", "the answer"


def _is_lenient_json(response: Response) -> bool:
    """Tell whether the body is JSON but for numbers that JSON does not have."""
    kind = dict(response.headers).get("content-type", "")
    if kind.partition(";")[0].strip().lower() != formats.JSON:
        return False
    met: list[str] = []
    try:
        json.loads(response.body, parse_constant=met.append)
    except ValueError:
        return False
    return bool(met)
