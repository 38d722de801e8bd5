"""What has happened lately, in memory of a fixed size: what the page for developers shows."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from orchestrator.core import latency
from orchestrator.serving.ports import Answered
from orchestrator.serving.traps import TRAPS

_SECONDS = 60
_LATENCIES = 1000
_ERRORS = 20
_BINS = 24
_FIRST_ERROR = 400
# A traceback of a recursion error has thousands of lines.
_TRACE_CHARACTERS = 20_000


def is_inference(path: str) -> bool:
    """Whether ``path`` is one that a model answers, and not the server for it.

    >>> [is_inference(path) for path in ("/invocations?a=b", "/models/m/invoke", "/models/m")]
    [True, True, False]
    """
    bare = path.partition("?")[0].rstrip("/")
    return (
        bare == "/invocations"
        or bare.startswith("/predictions/")
        or (bare.startswith("/models/") and bare.endswith("/invoke"))
    )


class Recent:
    """An `orchestrator.serving.ports.Observer` with a short memory.

    Args:
        clock: Seconds that only grow.
        now: The seconds since 1970.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._now = now
        self._second = int(clock())
        # Answers and errors of each second, the running one last.
        self._counts: deque[list[int]] = deque([[0, 0] for _ in range(_SECONDS + 1)], maxlen=_SECONDS + 1)
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._errors: deque[dict[str, object]] = deque(maxlen=_ERRORS)
        self._traps: dict[str, int] = {}
        self._found: dict[str, str] = {}
        self._problem: dict[str, str] | None = None

    def answered(self, answer: Answered) -> None:
        """Remember one answer."""
        is_error = answer.status >= _FIRST_ERROR
        if is_error:
            self._errors.appendleft(self._error(answer))
        if is_inference(answer.path):
            self._advance()
            self._counts[-1][0] += 1
            self._counts[-1][1] += is_error
            self._latencies.append(answer.seconds)
        for slug in answer.traps:
            self._traps[slug] = self._traps.get(slug, 0) + 1

    def happened(self, event: str, **facts: object) -> None:
        """Remember a trap, and whether the last reload has failed."""
        match event:
            case "trap":
                slug = str(facts.get("trap"))
                self._traps.setdefault(slug, 0)
                self._found[slug] = str(facts.get("found", ""))
            case "reload-failed":
                self._problem = {
                    "error": str(facts.get("error") or facts.get("text", "")),
                    "traceback": str(facts.get("traceback", ""))[-_TRACE_CHARACTERS:],
                }
            case "reloaded":
                self._problem = None
            case _:
                pass

    def shown(self) -> dict[str, object]:
        """Return all of it, of JSON's types.

        Per second: the last 60 whole ones, the latest last. Latencies: in seconds, of the last 1,000 answers.
        """
        self._advance()
        whole = list(self._counts)[:-1]
        summary = asdict(latency.summary(self._latencies)) if self._latencies else None
        bins = latency.histogram(self._latencies, bins=_BINS) if self._latencies else ()
        return {
            "answers_per_second": [answers for answers, _ in whole],
            "errors_per_second": [errors for _, errors in whole],
            "latency": summary,
            "histogram": [asdict(part) for part in bins],
            "errors": list(self._errors),
            "traps": [self._trap(slug) for slug in self._traps],
            "problem": self._problem,
        }

    def _advance(self) -> None:
        second = int(self._clock())
        for _ in range(min(second - self._second, _SECONDS + 1)):
            self._counts.append([0, 0])
        self._second = second

    def _trap(self, slug: str) -> dict[str, object]:
        counted = {"slug": slug, "count": self._traps[slug], "found": self._found.get(slug, "")}
        return counted | (asdict(TRAPS[slug]) if slug in TRAPS else {"happens": "", "instead": ""})

    def _error(self, answer: Answered) -> dict[str, object]:
        return {
            "time": self._now(),
            "id": answer.id,
            "method": answer.method,
            "path": answer.path.partition("?")[0],
            "status": answer.status,
            "error": answer.error,
            "traceback": answer.trace[-_TRACE_CHARACTERS:],
        }
