"""Results of golden cases as JUnit XML: what any parser of XML reads of it."""

from xml.etree.ElementTree import Element, fromstring

import pytest

from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.junit import to_xml
from orchestrator.core.results import CaseResult, Kind, Results, Subject

SUBJECT = Subject(Kind.REMOTE, "digits", "ab" * 32, "digits-1", "prod", "ab" * 8)


def result(problem: str = "", body: bytes | None = b"{}", name: str = "golden/first.json") -> CaseResult:
    response = None if body is None else Response(200, body, "ab" * 8)
    return CaseResult(Case(name, Request(b"{}")), problem, 0.25, response)


def suite(*results: CaseResult, notes: tuple[str, ...] = ()) -> Element:
    root = fromstring(to_xml(Results(SUBJECT, results, notes), "2026-11-22T10:00:00"))  # noqa: S314 - our own document
    assert root.tag == "testsuites"
    (found,) = root
    return found


def texts(element: Element) -> tuple[str, str]:
    """Return the message and the text of what is wrong with the one case of a suite."""
    (told,) = element.findall("testcase/*")
    return told.attrib["message"], str(told.text)


def test_each_case_is_one_and_each_way_to_fail_has_its_element() -> None:
    found = suite(result(), result("wrong", name="b"), result("no answer: gone", None, "c"))
    counts = {key: found.attrib[key] for key in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "3", "failures": "1", "errors": "1", "skipped": "0", "time": "0.750000"}
    assert [[case.attrib["name"], *(child.tag for child in case)] for case in found.iter("testcase")] == [
        ["golden/first.json"],
        ["b", "failure"],
        ["c", "error"],
    ]
    assert {case.attrib["classname"] for case in found.iter("testcase")} == {"golden.digits"}


def test_what_was_asked_is_in_the_properties_before_the_cases() -> None:
    found = suite(result(), notes=("one", "two"))
    assert [child.tag for child in found] == ["properties", "testcase"]
    pairs = [(one.attrib["name"], one.attrib["value"]) for one in found.iter("property")]
    assert pairs == [
        ("kind", "remote"),
        ("subject", "digits"),
        ("environment", "prod"),
        ("revision", "digits-1"),
        ("identity", "ab" * 32),
        ("fingerprint", "ab" * 8),
        ("note", "one"),
        ("note", "two"),
    ]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<a href='x'>&amp;]]>\"", "<a href='x'>&amp;]]>\""),
        ("two\nlines\tand\r\nmore", "two\nlines\tand\r\nmore"),
        ("\x00\x1b[31m\x7f", "\\x00\\x1b[31m\x7f"),
        ("\ud800 \ufffe \U0001f600 ü", "\\ud800 \\ufffe \U0001f600 ü"),
    ],
)
def test_any_text_can_be_read_back_or_is_written_as_python_would(said: str, read: str) -> None:
    message, text = texts(suite(result(said, said.encode("utf-8", "surrogatepass"))))
    assert message == read
    assert text.startswith(f"{read}\n\nstatus 200, fingerprint {'ab' * 8}, answer:\n")


def test_bytes_that_are_no_text_are_told_apart() -> None:
    assert texts(suite(result("wrong", b"\xff\xfeok")))[1].endswith("\n\\xff\\xfeok")


def test_a_huge_answer_is_cut_and_says_so() -> None:
    message, text = texts(suite(result("p" * 5000, b"a" * 1_000_000)))
    assert message == f"{'p' * 1000}… (cut: 5000 characters)"
    assert text.endswith(f"\n{'a' * 10_000}… (cut: 1000000 characters)")
