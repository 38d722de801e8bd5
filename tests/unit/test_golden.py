"""Golden cases: what may stand in one, and which answers pass."""

import base64

import pytest

from orchestrator.core import golden
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, Request, Response, problem
from orchestrator.core.recording import recorded


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
        ([float("nan"), float("inf")], b"[NaN, Infinity]"),
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
        ('{"request": {"body": 1}, "response": {"body_base64": "?"}}', "response.body_base64"),
        ('{"request": {"body": 1, "body_text": "1"}, "response": {}}', "both 'body' and 'body_text'"),
        ('{"request": {"body_text": {"a": 1}}, "response": {}}', "request.body_text is not text"),
        (
            '{"request": {"body": 1, "accept": null}, "response": {}}',
            "request.accept is not text of one line",
        ),
        (
            '{"request": {"body": 1, "content_type": "a/b\\r\\nX: y"}, "response": {}}',
            "request.content_type is not text of one line in ASCII",
        ),
        ('{"request": {"body": 1}, "response": {"status": 2000}}', "status is 2000, which no answer has"),
        ('{"request": {"body": 1}, "response": {"body": null}}', "which would let every answer pass"),
    ],
)
def test_a_case_that_cannot_be_used_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SpecError, match="golden case 'seven' cannot be used") as caught:
        golden.parse("seven", text)
    assert said in str(caught.value)


def test_cases_survive_being_stored() -> None:
    cases = (Case("a", Request(b"\xff", "x/y", "z/w"), {"k": [1.5, None]}, 400), Case("b", Request(b"")))
    assert golden.from_bytes(golden.to_bytes(cases)) == cases


def test_what_is_no_number_survives_being_stored_and_is_wanted_then() -> None:
    case = golden.parse("a", '{"request": {"body": NaN}, "response": {"body": {"k": [NaN, Infinity, 1]}}}')
    (kept,) = golden.from_bytes(golden.to_bytes((case,)))
    assert problem(kept, Response(200, b'{"k": [NaN, Infinity, 1]}'), atol=0) == ""
    assert (
        problem(kept, Response(200, b'{"k": [0, Infinity, 1]}'), atol=0)
        == "body.k[0] is 0, not nan (allowed: ±0)"
    )


def test_an_answer_that_is_nested_too_deeply_fails_its_case_and_nothing_else() -> None:
    nested = "[" * 700 + "]" * 700
    case = golden.parse("a", f'{{"request": {{"body": 1}}, "response": {{"body": {nested}}}}}')
    said = problem(case, Response(200, nested.encode()), atol=0)
    assert said == "the answer is nested too deeply to be compared"


def test_text_is_sent_as_text_and_wanted_to_the_byte() -> None:
    case = golden.parse("csv", '{"request": {"body_text": "1,ü"}, "response": {"body_text": "a\\nb"}}')
    assert case.request == Request("1,ü".encode(), "text/plain")
    assert problem(case, Response(200, b"a\nb"), atol=1) == ""
    assert problem(case, Response(200, b"a\nc"), atol=1) == (
        "the answer differs from byte 2 on: it has b'a\\nc', not b'a\\nb'"
    )
    assert problem(case, Response(200, b"a\n"), atol=1).endswith("(2 bytes, not 3)")


def test_a_binary_answer_is_wanted_in_base64() -> None:
    wanted = base64.b64encode(b"\x00\xff").decode()
    case = golden.parse("npy", f'{{"request": {{"body": 1}}, "response": {{"body_base64": "{wanted}"}}}}')
    assert problem(case, Response(200, b"\x00\xff"), atol=0) == ""
    assert problem(case, Response(200, b""), atol=0) != ""


def test_a_value_of_any_length_is_told_in_a_line() -> None:
    said = answered({"a": "x"}, b'{"a": "' + b"y" * 100_000 + b'"}')
    assert said.endswith("… (100002 characters), not 'x'")
    assert len(said) < 300


def test_exact_cases_survive_being_stored_and_others_keep_the_name_they_have_there() -> None:
    plain, exact = Case("a", Request(b"1"), 2), Case("a", Request(b"1"), exact=b"\xff")
    assert golden.from_bytes(golden.to_bytes((plain, exact))) == (plain, exact)
    assert b"exact" not in golden.to_bytes((plain,))


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (Request(b'{"image": [0.5, NaN]}'), Response(200, b'{"label": "\\ud800", "score": NaN}')),
        (Request(b"not json"), Response(200, b"null")),
        (Request("schön".encode(), "text/plain", "text/csv"), Response(200, b"1,2\n")),
        (Request(b"\x93NUMPY\xff", "application/x-npy", "application/x-npy"), Response(201, b"\xff\x00")),
        (Request(b"1,2", "text/csv"), Response(200, b'{"a": [1, 2.5]}')),
        (Request(b"x", "text/plain"), Response(415, b"never: at 10:32:11")),
        (Request(b"", "application/octet-stream"), Response(204, b"")),
    ],
)
def test_a_recorded_case_asks_the_same_and_is_passed_by_the_same_answer(
    request_: Request, response: Response
) -> None:
    case = golden.parse("new", recorded(request_, response))
    assert (case.request.content_type, case.request.accept) == (request_.content_type, request_.accept)
    if request_.content_type == golden.JSON_TYPE and b"{" in request_.body:
        assert case.request.body == b'{"image": [0.5, NaN]}'
    else:
        assert case.request.body == request_.body
    assert problem(case, response, atol=0) == ""
    assert problem(case, Response(response.status + 1, response.body), atol=0) != ""
    if response.status < golden.FIRST_ERROR:
        assert problem(case, Response(response.status, response.body + b"\x01"), atol=0) != ""


def test_a_recorded_case_is_one_that_people_read() -> None:
    text = recorded(Request('{"text": "größer"}'.encode()), Response(200, b'{"label": "ja"}'))
    assert text == (
        '{\n  "request": {"body": {"text": "größer"}},\n  "response": {"body": {"label": "ja"}}\n}\n'
    )
