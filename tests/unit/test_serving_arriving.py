"""A request reaches handler functions as the container's front end and toolkit hand it over."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives_in_process import Loaded, Loading, header, loading
from tests.support.entrypoints_samples import ECHO

# The request's body is run; what it calls `out` is returned.
RUNNING = """
import sys
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept, context):
    scope = {"context": context, "sys": sys}
    exec(data, scope)
    return scope.get("out")
"""
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


@pytest.fixture
def running(load: Loading) -> Loaded:
    return load(RUNNING)


def test_transform_fn_stands_for_the_three_stages(load: Loading) -> None:
    archive = load("""
def model_fn(model_dir): return "M"
def transform_fn(model, data, content_type, accept): return [model, data, content_type, accept]
""")
    assert json.loads(archive.csv("1,2").body) == ["M", "1,2", "text/csv", "application/json"]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", "str"),
        ("text/csv", "str"),
        ("Application/JSON", "bytearray"),
        ("application/json; charset=utf-8", "bytearray"),
        ("application/x-npy", "bytearray"),
        ("", "bytearray"),
    ],
)
def test_only_json_and_csv_arrive_as_text_compared_whole(load: Loading, content_type: str, kind: str) -> None:
    response = load(ECHO).ask(b"[1]", ("Content-Type", content_type))

    assert json.loads(response.body)["input"] == [kind, "b'[1]'", content_type]


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("ContentType",), "1"),
        (("content-Type",), "1"),
        (("Content-Type-Foo",), "1"),
        (("CONTENT-TYPE",), None),
        (("XContent-Type",), None),
        (("ContentType", "Content-Type"), "1"),
        (("Content-Type", "content-type"), "2"),
        (("content-type", "Content-Type"), "1"),
        (("Content-Type", "Content-Type"), "2"),
    ],
)
def test_the_content_type_is_the_first_header_called_so_in_the_containers_order(
    load: Loading, names: tuple[str, ...], given: str | None
) -> None:
    headers = [(name, str(number)) for number, name in enumerate(names, 1)]

    assert json.loads(load(ECHO).ask(b"", *headers).body)["input"][2] == given


def test_a_body_that_is_to_be_text_and_is_none_is_an_error_in_pythons_words(load: Loading) -> None:
    response = load(ECHO).ask(b"\xff", ("Content-Type", "text/csv"))

    assert (response.status, response.reason) == (
        500,
        "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    )


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        (b"", None),
        (b"a=1", None),
        (b"body", None),
        (b"body=", b""),
        (b"a=1&body=x%20y+z%41", b"x y zA"),
        (b"body=1&body=2", b"2"),
        (b"body=%ff", b"\xff"),
        (b"body=1;body=2", b"1;body=2"),
        (b"b%6fdy=q", b"q"),
        (b"body=1\r\n", b"1"),
        (b"BODY=1", None),
        (b"body&a=1", b""),
    ],
)
def test_a_form_is_parsed_before_the_entry_point_sees_it(
    load: Loading, body: bytes, arrives: bytes | None
) -> None:
    archive = load(RUNNING.replace("exec(data, scope)", 'scope["out"] = repr(data)'))
    expected = None if arrives is None else bytearray(arrives)

    assert archive.ask(body, FORM).body.decode() == repr(expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"body=%zz", "Invalid hex byte at index '0' in string: '%zz'"),
        (b"body=a%4", "Invalid hex byte at index '1' in string: 'a%4'"),
        (b"%zz=1&body=2", "Bad string: '%zz'"),
        (b"=x&body=1", "java.lang.IllegalArgumentException: empty name"),
        (b"&&body=1", "java.lang.IllegalArgumentException: empty name"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_in_nettys_words(
    load: Loading, body: bytes, message: str
) -> None:
    response = load(ECHO).ask(body, FORM)

    assert response.status == 500
    assert json.loads(response.body) == {"code": 500, "type": "ErrorDataDecoderException", "message": message}


@pytest.mark.parametrize(
    ("content_type", "head", "arrives"),
    [
        (MULTIPART[1], 'form-data; name="body"', b"hello"),
        (MULTIPART[1], 'form-data; name="body"; filename="x"', b"hello"),
        (MULTIPART[1], 'form-data; name="a"', None),
        ('multipart/form-data; boundary="b"', 'form-data; name="body"', b"hello"),
        ("multipart/mixed; boundary=b", 'form-data; name="body"', "raw"),
        ("multipart/form-data", 'form-data; name="body"', "raw"),
        ("Multipart/Form-Data; boundary=b", 'form-data; name="body"', "raw"),
    ],
)
def test_of_a_multipart_form_the_part_called_body_arrives(
    load: Loading, content_type: str, head: str, arrives: bytes | str | None
) -> None:
    archive = load(RUNNING.replace("exec(data, scope)", 'scope["out"] = repr(data)'))
    body = f"--b\r\nContent-Disposition: {head}\r\n\r\nhello\r\n--b--\r\n".encode()
    expected = body if arrives == "raw" else arrives

    answer = archive.ask(body, ("Content-Type", content_type)).body.decode()
    assert answer == repr(None if expected is None else bytearray(expected))  # type: ignore[arg-type]  # bytes by now


def test_fields_of_the_query_are_inputs_beside_the_body(running: Loaded) -> None:
    body = b"out = context.get_all_request_header(0)"
    answer = running.ask(body, ("Content-Type", "text/x"), query="a=b&body=z&c=%20d&a=e")

    assert list(json.loads(answer.body).items()) == [
        ("a", {"content-type": ""}),
        ("body", {"content-type": "text/x"}),
        ("c", {"content-type": ""}),
        ("Content-Type", "text/x"),
    ]


def test_headers_come_in_the_order_of_a_java_hash_map_the_last_of_a_name_counts(running: Loaded) -> None:
    names = ("Host", "Content-Type", "X-A", "X-A", "x-b", "ACCEPT", "Content-Length", "X-Code", "Connection")
    headers = [(name, str(number)) for number, name in enumerate(names)]
    answer = running.ask("out = context.get_all_request_header(0)", *headers)

    # As TorchServe 0.12 on Java 17 gave them.
    order = ["body", "ACCEPT", "X-Code", "Connection", "Host", "x-b", "Content-Length", "X-A", "Content-Type"]
    assert list(json.loads(answer.body)) == order
    assert json.loads(answer.body)["X-A"] == "3"


@pytest.mark.parametrize(
    ("headers", "accept"),
    [
        ((), "text/plain"),
        ((("Accept", "*/*"),), "text/plain"),
        ((("Accept", ""),), "text/plain"),
        ((("ACCEPT", "text/x"),), "text/plain"),
        ((("accept", "text/x"),), "text/x"),
        ((("Accept", ""), ("accept", "text/x")), "text/x"),
        ((("accept", "text/csv, */*"),), "text/csv, */*"),
        ((("Accept", "application/json;q=0.5"),), "application/json;q=0.5"),
    ],
)
def test_the_default_accept_replaces_none_or_any_and_nothing_else(
    load: Loading, headers: tuple[tuple[str, str], ...], accept: str
) -> None:
    response = load(ECHO, accept="text/plain").ask(b"", *headers)

    assert json.loads(response.body)["accept"] == accept
    assert header(response.headers, "content-type") == accept
    assert response.reason == ""
