"""The log: one line for each answer and each event, for people or as JSON.

Payloads are never logged, and that includes what an entry point says of them: of its errors the log has the
type and the place, while the text is in the answer and on the page for developers. Whatever a client or a
model can choose is escaped, so that it begins no second line and moves no cursor; queries, and what looks
like a credential, are left out.
"""

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TextIO

from orchestrator.serving.ports import Answered
from orchestrator.serving.traps import TRAPS

_SHOWN_CHARACTERS = 500
_FIRST_ERROR = 400
# The page for developers asks once a second: lines of that would bury all others.
_POLLED = "/_local/"
_ENCODED = json.JSONEncoder(default=str).encode
# What nearly every request asks for has nothing to be cleaned.
_USUAL_PATHS = frozenset({"/invocations", "/ping"})
_TRACEBACK = "Traceback (most recent call last):\n"
_FRAME = re.compile(r'  File "(?P<file>[^"\n]*)", line (?P<line>\d+)(?:, in (?P<function>[^\n]*))?\n')
_TYPE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
# Access key ids, presigned URLs and bearer tokens: AWS's forms, and those of this server's own `--token`.
_SECRET = re.compile(
    r"(?i:X-Amz-(?:Signature|Credential|Security-Token)=|\b(?:Bearer|Basic)\s+)(?P<value>[^&\s\"']+)"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
)


class _Form(Protocol):
    """How a line is spelled."""

    def answered(self, answer: Answered, error: str) -> str:
        """Return the line of an answer."""

    def happened(self, event: str, facts: dict[str, object]) -> str:
        """Return the line of an event."""


class Log:
    """An `orchestrator.serving.ports.Observer` that writes lines.

    A trap is explained when it is met first; after that the lines of answers only name it.

    Args:
        stream: Is written to, once for each line, and flushed. That it is closed is no error.
        as_json: One JSON object in each line, and not text for people.
        now: The seconds since 1970.
    """

    def __init__(
        self, stream: TextIO | None = None, *, as_json: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._form: _Form = _Json(now) if as_json else _Text()
        self._explained: set[tuple[str, str]] = set()
        self._known: set[str] = set()

    def answered(self, answer: Answered) -> None:
        """Write the line of an answer; before it, the explanation of each trap that is met first.

        What the page for developers asks for by itself has none, unless it fails.
        """
        if answer.path.startswith(_POLLED) and answer.status < _FIRST_ERROR:
            return
        for slug in answer.traps:
            if slug not in self._known:
                self._explain(slug, f"{answer.method} {_path(answer.path)}")
        error = ""
        if answer.trace:
            error = place_of(answer.trace)
        elif answer.error and not answer.model_seconds:
            # No handler function was called: these words are the server's own.
            error = _clean(answer.error)
        self._write(self._form.answered(answer, error))

    def happened(self, event: str, **facts: object) -> None:
        """Write the line of an event."""
        if event == "trap" and str(facts.get("trap")) in TRAPS:
            self._explain(str(facts["trap"]), str(facts.get("found", "")))
        else:
            self._write(self._form.happened(event, facts))

    def _explain(self, slug: str, found: str) -> None:
        """Say once what the trap does, where it was found, and what to do about it."""
        if (slug, found) in self._explained or slug not in TRAPS:
            return
        self._explained.add((slug, found))
        self._known.add(slug)
        trap = TRAPS[slug]
        text = f"{found}: {trap.happens}; {trap.instead} [{slug}]"
        self._write(self._form.happened("trap", {"trap": slug, "found": found, "text": text}))

    def _write(self, line: str) -> None:
        # Whoever reads the log may be gone before the last request is; a closed file is a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line)
            self._stream.flush()


class _Text:
    """For people: what they look for comes first."""

    def answered(self, answer: Answered, error: str) -> str:
        milliseconds = answer.seconds * 1000
        line = (
            f"{_word(answer.method)} {_path(answer.path)} {answer.status} {milliseconds:.1f} ms {answer.id}"
        )
        if answer.traps:
            line += f" [{', '.join(answer.traps)}]"
        return f"{line} {error}\n" if error else f"{line}\n"

    def happened(self, event: str, facts: dict[str, object]) -> str:
        warning = "warning: " if event == "trap" else ""
        text = facts.get("text") or " ".join([event, *(f"{name}={value}" for name, value in facts.items())])
        return f"{warning}{_clean(str(text))}\n"


class _Json:
    """For programs: an object in each line."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def answered(self, answer: Answered, error: str) -> str:
        return self._line(
            "answered",
            {
                "request_id": answer.id,
                "method": _word(answer.method),
                "path": _path(answer.path),
                "status": answer.status,
                "milliseconds": round(answer.seconds * 1000, 3),
                "model_milliseconds": round(answer.model_seconds * 1000, 3),
                "request_bytes": answer.request_bytes,
                "response_bytes": answer.response_bytes,
                "traps": answer.traps,
                "error": error,
            },
        )

    def happened(self, event: str, facts: dict[str, object]) -> str:
        return self._line(event, {name: _masked_deeply(value) for name, value in facts.items()})

    def _line(self, event: str, facts: dict[str, object]) -> str:
        time = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        head = {"time": time.replace("+00:00", "Z"), "event": event}
        # JSON escapes every control character but DEL.
        return _ENCODED(head | facts).replace("\x7f", "\\u007f") + "\n"


def place_of(trace: str) -> str:
    r"""Return the type and the place of the error that a traceback ends with, and nothing that it says.

    >>> place_of(
    ...     'Traceback (most recent call last):\n  File "/a/predict.py", line 3, in input_fn\n    x()\n'
    ...     "ValueError: cannot read 'secret'\n"
    ... )
    'ValueError at predict.py:3 in input_fn'
    """
    last = trace.rpartition(_TRACEBACK)[2]
    place = ""
    end = 0
    # An error's text may look like a frame: only frames that follow each other count.
    while frame := _FRAME.match(last, end):
        place = f" at {frame['file'].rpartition('/')[2]}:{frame['line']}"
        place += f" in {frame['function']}" if frame["function"] else ""
        end = _after_source(last, frame.end())
    kind = _TYPE.match(last, end)
    return _clean((kind[1] if kind else "error") + place)


def _after_source(text: str, position: int) -> int:
    """Return where the lines end that show the source of a frame."""
    while text.startswith(("    ", "  ["), position):
        position = text.find("\n", position) + 1 or len(text)
    return position


def _path(path: str) -> str:
    return path if path in _USUAL_PATHS else _clean(path.partition("?")[0])


def _word(text: str) -> str:
    return text if text.isalpha() and text.isascii() else _clean(text)


def _clean(text: str) -> str:
    """Return ``text`` in one line of printable ASCII, without credentials, cut."""
    shown = _masked(text)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}..."
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_escaped(character) for character in shown)


def _escaped(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _masked(text: str) -> str:
    return _SECRET.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    kept = len(match["value"]) if match["value"] else len(match[0])
    return f"{match[0][: len(match[0]) - kept]}[masked]"


def _masked_deeply(value: object) -> object:
    match value:
        case str():
            return _masked(value)
        case dict():
            return {name: _masked_deeply(part) for name, part in value.items()}
        case list() | tuple():
            return [_masked_deeply(part) for part in value]
        case _:
            return value
