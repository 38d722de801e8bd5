"""Forms, methods, paths and headers: what the front end does to a request (reference §§1.2, 4.6, 4.7)."""

from tests.conformance.cases import (
    ECHO,
    ECHO_FILES,
    INVOCATIONS,
    JSON,
    OCTETS,
    ROW,
    Case,
    Instead,
    Request,
    headed,
    source,
    typed,
)

_FORM = "application/x-www-form-urlencoded"


def _form(name: str, body: bytes, content_type: str = _FORM) -> Request:
    return Request(name, body, (("Content-Type", content_type),), front=True)


def _parts(*parts: bytes, boundary: bytes = b"cut") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )


def _part(name: bytes, content: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + content


_FILE = b'; filename="a.bin"\r\nContent-Type: application/octet-stream'
_MULTIPART = "multipart/form-data; boundary=cut"

CASES = (
    Case(
        "forms",
        "§4.6: the front end parses forms and hands on the field `body`, or nothing",
        ECHO_FILES,
        (
            _form("no field called body", b"a=1&b=2"),
            _form("body", b"body=hello"),
            _form("body among others", b"a=1&body=hello&b=2"),
            _form("body twice", b"body=one&body=two"),
            _form("percent signs and plus", b"body=a%20b+c%26d%C3%A9"),
            _form("empty value", b"body="),
            _form("no value", b"body"),
            _form("empty form", b""),
            _form("field in upper case", b"BODY=x"),
            _form("data field", b"data=x"),
            _form("charset", b"body=x", f"{_FORM}; charset=utf-8"),
            _form("upper case type", b"body=x", _FORM.upper()),
            _form("json in it", b'body={"a": 1}'),
            _form("not a form at all", b"[[1, 2, 3]]"),
            _form("broken percent sign", b"body=%zz"),
        ),
    ),
    Case(
        "forms-multipart",
        "§4.6: multipart bodies are parsed, and only a part called `body` would be seen",
        ECHO_FILES,
        (
            _form("other part", _parts(_part(b"file", b"abc")), _MULTIPART),
            _form("part called body", _parts(_part(b"body", b"abc")), _MULTIPART),
            _form(
                "file called body",
                _parts(
                    _part(
                        b"body", b"\x00\xff", b'; filename="a.bin"\r\nContent-Type: application/octet-stream'
                    )
                ),
                _MULTIPART,
            ),
            _form("two parts", _parts(_part(b"body", b"one"), _part(b"other", b"two")), _MULTIPART),
            _form("no boundary", b"anything", "multipart/form-data"),
            _form("mixed", _parts(b"Content-Type: text/plain\r\n\r\nabc"), "multipart/mixed; boundary=cut"),
            _form("empty", b"", _MULTIPART),
        ),
    ),
    Case(
        "methods-and-queries",
        "§4.7: GET and PUT run inference too; query strings are fields of their own",
        ECHO_FILES,
        (
            Request("get", b"", (), "GET", framing="none", front=True),
            Request("get with a body", ROW, (("Content-Type", JSON),), "GET", front=True),
            Request("put", ROW, (("Content-Type", JSON),), "PUT", front=True),
            Request("query", ROW, (("Content-Type", JSON),), "POST", f"{INVOCATIONS}?a=b", front=True),
            Request(
                "query called body",
                ROW,
                (("Content-Type", OCTETS),),
                "POST",
                f"{INVOCATIONS}?body=x",
                front=True,
            ),
            Request(
                "get with query called body",
                b"",
                (),
                "GET",
                f"{INVOCATIONS}?body=x",
                framing="none",
                front=True,
            ),
            Request("trailing slash", ROW, (("Content-Type", JSON),), "POST", f"{INVOCATIONS}/", front=True),
            Request("two slashes", ROW, (("Content-Type", JSON),), "POST", f"/{INVOCATIONS}", front=True),
            Request("upper case", ROW, (("Content-Type", JSON),), "POST", "/INVOCATIONS", front=True),
            Request("below", ROW, (("Content-Type", JSON),), "POST", f"{INVOCATIONS}/x", front=True),
            Request("percent signs", ROW, (("Content-Type", JSON),), "POST", "/%69nvocations", front=True),
            Request("delete", b"", (), "DELETE", front=True),
            Request("patch", ROW, (("Content-Type", JSON),), "PATCH", front=True),
            Request("head", b"", (), "HEAD", framing="none", front=True),
            Request("unknown method", ROW, (("Content-Type", JSON),), "BREW", front=True),
        ),
        instead={"unknown method": Instead("our parser of HTTP knows no such method", 400)},
    ),
    Case(
        "other-paths",
        "§1.2, §4.7: /ping by every method, and what is not there",
        {"code/inference.py": ECHO, "other.txt": b"x"},
        (
            Request("ping", b"", (), "GET", "/ping", framing="none", front=True),
            Request("ping by post", b"{}", (), "POST", "/ping", front=True),
            Request("ping by put", b"", (), "PUT", "/ping", front=True),
            Request("ping by delete", b"", (), "DELETE", "/ping", front=True),
            Request("ping by head", b"", (), "HEAD", "/ping", framing="none", front=True),
            Request("ping with a slash", b"", (), "GET", "/ping/", framing="none", front=True),
            Request("ping with a query", b"", (), "GET", "/ping?x=1", framing="none", front=True),
            Request("below ping", b"", (), "GET", "/ping/x", framing="none", front=True),
            Request("root by get", b"", (), "GET", "/", framing="none", front=True),
            Request("root by post", ROW, (), "POST", "/", front=True),
            Request(
                "execution parameters", b"", (), "GET", "/execution-parameters", framing="none", front=True
            ),
            Request("nothing there", b"", (), "GET", "/nothing", framing="none", front=True),
            Request("nothing there by post", ROW, (), "POST", "/nothing", front=True),
            Request(
                "bidirectional",
                b"",
                (),
                "GET",
                "/invocations-bidirectional-stream",
                framing="none",
                front=True,
            ),
        ),
    ),
    Case(
        "headers-seen",
        "§1.4, §4.4: every header reaches the context as it was spelt; none comes back by itself",
        {
            "code/inference.py": source("""
                import json


                def model_fn(model_dir):
                    return None


                def transform_fn(model, data, content_type, accept, context):
                    seen = context.get_all_request_header(0)
                    seen = {k: v for k, v in seen.items() if k != "Host"}
                    custom = "X-Amzn-SageMaker-Custom-Attributes"
                    names = (custom, custom.lower(), "body", "Absent")
                    asked = [context.get_request_header(0, name) for name in names]
                    return json.dumps([seen, asked], sort_keys=True), "application/json"
            """)
        },
        (
            typed("plain", ROW, JSON),
            headed(
                "custom attributes",
                ("Content-Type", JSON),
                ("X-Amzn-SageMaker-Custom-Attributes", "trace=1, b"),
                front=False,
            ),
            headed("lower", ("content-type", JSON), ("x-amzn-sagemaker-custom-attributes", "v"), front=False),
            headed(
                "sessions",
                ("Content-Type", JSON),
                ("X-Amzn-SageMaker-Session-Id", "NEW_SESSION"),
                front=False,
            ),
            headed(
                "targets",
                ("Content-Type", JSON),
                ("X-Amzn-SageMaker-Target-Model", "m.tar.gz"),
                ("X-Amzn-SageMaker-Inference-Id", "i-1"),
                front=False,
            ),
            headed("twice", ("X-A", "1"), ("X-A", "2"), ("x-a", "3")),
            headed("empty value", ("X-Empty", "")),
            headed("latin-1 value", ("X-Latin", "caf\u00e9")),
            headed("called body", ("body", "mine"), ("Content-Type", JSON)),
            Request("chunked", ROW, (("Content-Type", JSON),), framing="chunked", front=True),
        ),
    ),
    Case(
        "fields-seen",
        "§4.6: fields of queries and forms are inputs beside the body, and the context tells their types",
        {
            "code/inference.py": source("""
                import json


                def model_fn(model_dir):
                    return None


                def transform_fn(model, data, content_type, accept, context):
                    seen = context.get_all_request_header(0)
                    fields = {name: value for name, value in seen.items() if isinstance(value, dict)}
                    text = data if data is None else data.decode("latin-1")
                    return json.dumps([fields, text], sort_keys=True), "application/json"
            """)
        },
        (
            Request("query", ROW, (("Content-Type", OCTETS),), "POST", f"{INVOCATIONS}?a=b&c", front=True),
            Request(
                "query called body", ROW, (("Content-Type", OCTETS),), path="/invocations?body=x", front=True
            ),
            Request(
                "query and form",
                b"body=f&g=h",
                (("Content-Type", _FORM),),
                path="/invocations?q=1",
                front=True,
            ),
            Request(
                "both called body",
                b"body=f",
                (("Content-Type", _FORM),),
                path="/invocations?body=q",
                front=True,
            ),
            Request(
                "escaped query", ROW, (("Content-Type", OCTETS),), path="/invocations?a%20b=c%2Fd", front=True
            ),
            Request(
                "called like a header",
                ROW,
                (("Content-Type", OCTETS),),
                path="/invocations?X-A=1",
                front=True,
            ),
            _form("form", b"a=1&b=2&body=3"),
            _form("parts", _parts(_part(b"a", b"1"), _part(b"body", b"2")), _MULTIPART),
            _form("file", _parts(_part(b"a", b"1", _FILE)), _MULTIPART),
            _form("file called body", _parts(_part(b"body", b"\x00\xff", _FILE)), _MULTIPART),
            _form(
                "part with a type",
                _parts(_part(b"body", b"[1]", b"\r\nContent-Type: application/json")),
                _MULTIPART,
            ),
            _form("quoted boundary", _parts(_part(b"body", b"2")), 'multipart/form-data; boundary="cut"'),
            _form(
                "upper case multipart", _parts(_part(b"body", b"2")), _MULTIPART.upper().replace("CUT", "cut")
            ),
            _form("another boundary", _parts(_part(b"body", b"2")), "multipart/form-data; boundary=other"),
            _form("unfinished", _parts(_part(b"body", b"2"))[:-8], _MULTIPART),
            # The text of the container's error is Java's own.
            Request(
                "part without a name",
                _parts(b"Content-Disposition: form-data\r\n\r\nx"),
                (("Content-Type", _MULTIPART),),
                compared=("status", "reason", "headers"),
                front=True,
            ),
            _form("two parts of a name", _parts(_part(b"body", b"1"), _part(b"body", b"2")), _MULTIPART),
            _form("preamble", b"before\r\n" + _parts(_part(b"body", b"2")), _MULTIPART),
        ),
    ),
)
