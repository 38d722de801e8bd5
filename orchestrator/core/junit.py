"""The results of golden cases as JUnit XML, which GitHub's actions, GitLab and Jenkins show.

There is no standard. What is written is what the three have in common: one suite, properties before the
cases, ``failure`` for a wrong answer and ``error`` for none at all. Sources: the XSD in Jenkins' xUnit
plugin, "Unit test reports" in GitLab's documentation.
"""

import re
from collections.abc import Iterator, Mapping

from orchestrator.core.results import CaseResult, Results

_SUITE = "orchestrator test"
_LONGEST_ANSWER = 10_000
_LONGEST_MESSAGE = 1_000
# XML 1.0 has no place for these at all, not even by number: section 2.2, Char.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A parser makes newlines of carriage returns anywhere, and spaces of line ends in attributes.
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTES = _IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


def to_xml(results: Results, started_at: str) -> bytes:
    """Return the report.

    Args:
        results: The results.
        started_at: When the first case was asked, as ``2026-11-22T10:00:00`` in UTC: Jenkins' XSD has no
            place for a zone.
    """
    unanswered = sum(result.response is None for result in results.results)
    counts = {
        "name": _SUITE,
        "tests": len(results.results),
        "failures": results.failed - unanswered,
        "errors": unanswered,
        "time": _time(results.seconds),
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(**counts)}>",
        f"<testsuite{_attributes(**counts, skipped=0, timestamp=started_at)}>",
        *_properties(results),
        *(line for result in results.results for line in _case(result, results.subject.name)),
        "</testsuite>",
        "</testsuites>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _properties(results: Results) -> Iterator[str]:
    subject = results.subject
    facts = {
        "kind": subject.kind,
        "subject": subject.name,
        "environment": subject.environment,
        "revision": subject.revision,
        "identity": subject.identity,
        "fingerprint": subject.fingerprint,
    }
    yield "<properties>"
    yield from (f"<property{_attributes(name=key, value=fact)}/>" for key, fact in facts.items() if fact)
    yield from (f"<property{_attributes(name='note', value=note)}/>" for note in results.notes)
    yield "</properties>"


def _case(result: CaseResult, subject: str) -> Iterator[str]:
    facts = _attributes(
        name=result.name, classname=f"golden.{subject}", file=result.case.name, time=_time(result.seconds)
    )
    if result.passed:
        yield f"<testcase{facts}/>"
        return
    kind, type_ = ("error", "no-answer") if result.response is None else ("failure", "golden-case")
    told = _attributes(message=_cut(result.problem, _LONGEST_MESSAGE), type=type_)
    yield f"<testcase{facts}>"
    yield f"<{kind}{told}>{_escaped(_told(result))}</{kind}>"
    yield "</testcase>"


def _told(result: CaseResult) -> str:
    """Return what somebody wants to read who has nothing but the report."""
    if result.response is None:
        return result.problem
    carried = result.response.fingerprint or "none"
    body = _cut(result.response.body.decode("utf-8", "backslashreplace"), _LONGEST_ANSWER)
    head = f"status {result.response.status}, fingerprint {carried}, answer:"
    return f"{result.problem}\n\n{head}\n{body}"


def _attributes(**values: object) -> str:
    return "".join(f' {name}="{_escaped(str(value), _IN_ATTRIBUTES)}"' for name, value in values.items())


def _escaped(text: str, escapes: Mapping[int, str] = _IN_TEXT) -> str:
    r"""Return text for an element or an attribute; what XML cannot hold is written as Python would.

    >>> _escaped("a<b \x00")
    'a&lt;b \\x00'
    """
    plain = _UNWRITABLE.sub(lambda found: ascii(found[0])[1:-1], text)
    return plain.translate(escapes)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… (cut: {len(text)} characters)"


def _time(seconds: float) -> str:
    return f"{seconds:.6f}"
