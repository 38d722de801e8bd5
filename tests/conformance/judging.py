"""Ask our own server the recorded requests, and tell where its answers differ from the container's."""

import json
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from tests.conformance.cases import Case, Instead, Request
from tests.conformance.forks import Forks, Server
from tests.conformance.recording import CaseAnswers, committed, differences
from tests.conformance.stack import archive
from tests.conformance.wire import Answer, Recorded, ask, recorded
from tests.support.servers import PATIENCE_SECONDS

_RECORDED_ON = (3, 11)
_RECORDED_WITH_NUMPY = "2.4."
_TEXTS_OF_ERRORS = frozenset({"reason", "message", "trace_ends"})


def verdict(forks: Forks, theme: str, case: Case, folder: Path) -> list[str]:
    """Serve ``case`` from ``folder``, ask, and return a line for each difference."""
    model = folder / "ml/model"
    # `local-serve` unpacks archives with care of its own, which has tests of its own.
    with tarfile.open(fileobj=BytesIO(archive(case.files))) as tar:
        tar.extractall(model, filter="data")
    with forks.serving(model, case.environment) as server:
        if case.load_fails is not None:
            return list(_failure(case, server))
        if server.event["event"] != "ready":
            return [f"{case.name}: the server does not start: {server.event}"]
        return list(_compared(committed(theme)[case.name], case, server.port, folder))


def _compared(wanted: CaseAnswers, case: Case, port: int, folder: Path) -> Iterator[str]:
    places = {str(folder / "ml"): "/opt/ml"}

    def send(request: Request) -> Answer:
        return ask(port, request, PATIENCE_SECONDS)

    for request in case.requests:
        found = recorded(request, send, places)
        if request.name in case.instead:
            yield from _deliberate(case.instead[request.name], found, f"{case.name} / {request.name}")
        else:
            known = _comparable(wanted[request.name])
            yield from differences({request.name: known}, {request.name: _comparable(found)}, case.name)


def _same_texts() -> bool:
    """Tell whether Python and NumPy word their errors as they did when the answers were recorded."""
    return sys.version_info[:2] == _RECORDED_ON and version("numpy").startswith(_RECORDED_WITH_NUMPY)


def _comparable(answer: Recorded) -> Recorded:
    """Leave out the texts of errors, unless this environment has the same."""
    if _same_texts() or "trace_ends" not in answer:
        return answer
    return {fact: value for fact, value in answer.items() if fact not in _TEXTS_OF_ERRORS}


def _deliberate(instead: Instead, found: Recorded, where: str) -> Iterator[str]:
    if "tally" in found and isinstance(found["tally"], dict):
        for one in found["tally"]:
            yield from _deliberate(instead, json.loads(one), where)
        return
    text = str(found.get("body", found.get("message")))
    if found.get("status") != instead.status or not text.startswith(instead.message):
        yield f"{where}: differs on purpose, but not like this\n    wanted {instead}\n    found  {found}"


def _failure(case: Case, server: Server) -> Iterator[str]:
    event = server.event
    told = f"{event.get('error')}\n{event.get('traceback')}"
    if event["event"] != "failed" or case.load_fails is None or case.load_fails.says not in told:
        yield f"{case.name}: has to fail while loading and say {case.load_fails}\n    found {event}"
