"""Golden cases: what may stand in one, and which answers pass."""

import base64

import pytest

from orchestrator.core import golden
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, Request, Response, problem


def answered(expected: object, given: bytes, *, atol: float = 1e-4) -> str:
    return problem(Case("one", Request(b"{}"), expected), Response(200, given), atol=atol)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ({"label": "7"}, b'{"label": "7", "score": 0.9}'),
        ({"score": 0.9}, b'{"score": 0.90009}'),
        ([1, [2.0, 3]], b"[1.00005, [2, 3]]"),
        (None, b"anything at all"),
        (True, b"true"),
    ],
)
def test_these_answers_pass(expected: object, given: bytes) -> None:
    assert answered(expected, given) == ""


@pytest.mark.parametrize(
    ("expected", "given", "said"),
    [
        ({"label": "7"}, b'{"label": "1"}', "body.label is '1', not '7'"),
        ({"label": "7"}, b'{"score": 1}', "body has no 'label'"),
        ([1, 2], b"[1]", "body has 1 items, not 2"),
        ({"a": [{"b": 1.0}]}, b'{"a": [{"b": 1.1}]}', "body.a[0].b is 1.1, not 1.0 (allowed: ±0.0001)"),
        (1, b"true", "body is True, not 1"),
        ({"a": 1}, b"[1]", "body is [1], not {'a': 1}"),
        ([1], b"<html>", "the answer is not JSON: <html>"),
        (1.0, b"NaN", "body is nan, not 1.0 (allowed: ±0.0001)"),
    ],
)
def test_these_answers_do_not_pass_and_say_where(expected: object, given: bytes, said: str) -> None:
    assert answered(expected, given) == said


def test_another_status_does_not_pass() -> None:
    case = Case("one", Request(b"{}"), None)
    assert problem(case, Response(500, b"boom\ntraceback"), atol=0) == "answered 500, not 200: boom"
    assert problem(Case("bad", Request(b"{"), None, 400), Response(400, b"no"), atol=0) == ""


def test_a_case_is_read_from_its_file() -> None:
    text = (
        '{"request": {"body": {"image": [1]}, "accept": "text/csv"}, "response": {"body": 7, "status": 201}}'
    )
    case = golden.parse("seven", text)
    assert case == Case("seven", Request(b'{"image": [1]}', accept="text/csv"), 7, 201)


def test_a_binary_body_is_given_in_base64() -> None:
    body = base64.b64encode(b"\x93NUMPY").decode()
    text = (
        f'{{"request": {{"body_base64": "{body}", "content_type": "application/x-npy"}}, "response": {{}}}}'
    )
    assert golden.parse("npy", text).request == Request(b"\x93NUMPY", "application/x-npy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "the case is not an object"),
        ('{"request": {"body": 1}}', "it has no 'response'"),
        ('{"request": {}, "response": {}}', "it has no 'body'"),
        ('{"request": {"body": 1, "acept": "x"}, "response": {}}', "request has an unknown key 'acept'"),
        ('{"request": {"body_base64": "?"}, "response": {}}', "request.body_base64"),
    ],
)
def test_a_case_that_cannot_be_used_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SpecError, match="golden case 'seven' cannot be used") as caught:
        golden.parse("seven", text)
    assert said in str(caught.value)


def test_cases_survive_being_stored() -> None:
    cases = (Case("a", Request(b"\xff", "x/y", "z/w"), {"k": [1.5, None]}, 400), Case("b", Request(b"")))
    assert golden.from_bytes(golden.to_bytes(cases)) == cases
