"""The context, and how many parameters a handler function may have (reference §4.4)."""

from tests.conformance.cases import ASK, PICKS, Case, LoadFails, at_the_front, picked, source

_CALLS = (
    PICKS
    + """

def predict_fn(data, model, context):
    return {name: call for name, call in CALLS.items()}[data](context)


def output_fn(prediction, accept, context):
    return prediction if isinstance(prediction, tuple) else json.dumps(prediction, sort_keys=True)


CALLS = {
"""
)


def _calls(**expressions: str) -> dict[str, bytes]:
    lines = "".join(f"    {name!r}: lambda c: {text},\n" for name, text in expressions.items())
    return {"weights.bin": b"", "code/inference.py": (_CALLS + lines + "}\n").encode()}


def _status(code: str, phrase: str = '""') -> str:
    return f'(c.set_response_status({code}, {phrase}, 0), "done")[1]'


_STATUSES = {
    f"status {code}": _status(str(code), '"Said"')
    for code in (
        200,
        201,
        202,
        203,
        205,
        206,
        226,
        300,
        302,
        400,
        404,
        418,
        422,
        429,
        451,
        499,
        500,
        503,
        507,
        599,
        600,
        700,
        999,
    )
}
_HEADERS = {
    "one": '(c.set_response_header(0, "X-One", "1"), "done")[1]',
    "custom attributes": '(c.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "a=1"), "done")[1]',
    "lower case": '(c.set_response_header(0, "x-lower", "1"), "done")[1]',
    "twice": '(c.set_response_header(0, "X-A", "1"), c.set_response_header(0, "X-A", "2"), "done")[2]',
    "two spellings": '[c.set_response_header(0, n, n) for n in ("X-A", "x-a")] and "done"',
    "new session": (
        '(c.set_response_header(0, "X-Amzn-SageMaker-New-Session-Id", '
        '"s1; Expires=2026-01-01T00:00:00Z"), "done")[1]'
    ),
    "closed session": '(c.set_response_header(0, "X-Amzn-SageMaker-Closed-Session-Id", "s1"), "done")[1]',
    "content type": '(c.set_response_content_type(0, "text/csv"), "done")[1]',
    "content type and a tuple": '(c.set_response_content_type(0, "text/csv"), ("done", "text/plain"))[1]',
    "empty value": '(c.set_response_header(0, "X-Empty", ""), "done")[1]',
    "request id": '(c.set_response_header(0, "x-request-id", "mine"), "done")[1]',
    "cache": '(c.set_response_header(0, "X-Cache", "no"), "done")[1]',
    "another after": '"done"',
}
_CONTENT_TYPE = {
    "content type as a header": '(c.set_response_header(0, "Content-Type", "text/x-mine"), "done")[1]',
}

CASES = (
    Case(
        "context-reads",
        "§4.4: what the context tells",
        _calls(
            **{
                "properties": "dict(c.system_properties, model_dir=None, server_version=None)",
                "model folder": "c.system_properties['model_dir']",
                "version": "type(c.system_properties['server_version']).__name__",
                "model name": "c.model_name",
                "manifest": "c.manifest",
                "yaml": "c.model_yaml_config",
                "request id": "[len(c.get_request_id(0)), c.get_request_id() is None, c.get_request_id(1)]",
                "request ids": "list(c.request_ids)",
                "header": "[c.get_request_header(0, n) for n in ('Content-Type', 'content-type', 'None')]",
                "status before": "list(c.get_response_status(0))",
                "headers before": "c.get_response_headers(0)",
                "content type before": "c.get_response_content_type(0)",
                "sequence id": "c.get_sequence_id(0)",
                "sequence keys": "[getattr(c, 'header_key_sequence_' + n) for n in ('id', 'start', 'end')]",
                "stopping": "c.stopping_criteria",
                "processors": "[len(c.request_processor), *sorted(c.get_all_request_header(0))]",
                "type": "[type(c).__module__, type(c).__name__, type(c.request_processor[0]).__name__]",
                "equality": "[c == c, c == 1]",
                "metrics": "[hasattr(c.metrics, f'add_{n}') for n in ('counter', 'time', 'size', 'error')]",
                "index of no request": "c.get_request_header(1, 'Content-Type')",
                "no such attribute": "c.nothing",
            }
        ),
        picked(
            [
                "properties",
                "model folder",
                "version",
                "model name",
                "manifest",
                "yaml",
                "request id",
                "request ids",
                "header",
                "status before",
                "headers before",
                "content type before",
                "sequence id",
                "sequence keys",
                "stopping",
                "processors",
                "type",
                "equality",
                "metrics",
                "index of no request",
                "no such attribute",
            ]
        ),
    ),
    Case(
        "context-status",
        "§4.4, §4.7: set_response_status is passed through",
        _calls(**_STATUSES),
        picked(_STATUSES),
    ),
    Case(
        "context-status-without-body",
        "§4.7: statuses that have no body",
        _calls(**{"status 204": _status("204", '"Nothing"'), "status 304": _status("304", '"Same"')}),
        picked(["status 204", "status 304"]),
    ),
    Case(
        "context-status-phrases",
        "§4.7: the phrase becomes the reason",
        _calls(
            **{
                "default phrase": "(c.set_response_status(202), 'done')[1]",
                "none": "(c.set_response_status(202, None), 'done')[1]",
                "empty": _status("400"),
                "spaces": _status("400", '"  two  words  "'),
                "all": "(c.set_all_response_status(203, 'All'), 'done')[1]",
                "reads back": "(c.set_response_status(203, 'Back', 0), list(c.get_response_status(0)))[1]",
                "by keyword": "(c.set_response_status(code=203, phrase='Key', idx=0), 'done')[1]",
            }
        ),
        picked(["default phrase", "none", "empty", "spaces", "all", "reads back", "by keyword"]),
    ),
    Case(
        "context-headers",
        "§4.4, §1.4: set_response_header is passed through; the content type is overwritten",
        _calls(**_HEADERS, **_CONTENT_TYPE),
        # The front end decides which of two spellings of Content-Type is sent.
        (*picked(_HEADERS), *at_the_front(picked(_CONTENT_TYPE))),
    ),
    Case(
        "context-header-not-text",
        "§4.6: a header's value that is no text costs the worker its life",
        _calls(number='(c.set_response_header(0, "X-N", 1), "done")[1]', fine='"done"'),
        picked(["number", "fine"]),
    ),
    Case(
        "context-status-not-a-number",
        "§4.6: so does a status that is no number",
        _calls(
            text='(c.set_response_status("200", "x", 0), "done")[1]',
            none='(c.set_response_status(None, "x", 0), "done")[1]',
            fine='"done"',
        ),
        picked(["none", "text", "fine"]),
    ),
    Case(
        "context-in-errors",
        "§4.7: headers set before an exception are sent with it; its status is the exception's",
        _calls(
            **{
                "header": '(c.set_response_header(0, "X-Before", "1"), 1 / 0)[1]',
                "status": '(c.set_response_status(202, "Fine", 0), 1 / 0)[1]',
                "content type": '(c.set_response_content_type(0, "text/csv"), 1 / 0)[1]',
            }
        ),
        picked(["header", "status", "content type"]),
    ),
    Case(
        "hooks",
        "§4.4: pre_model_fn and model_warmup_fn surround model_fn, each with the context if it takes it",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        LOG = []


        def pre_model_fn(model_dir, context):
            same = model_dir == context.system_properties["model_dir"]
            LOG.append(["pre", same, context.request_processor])
            return "ignored"


        def model_fn(model_dir, context=None):
            LOG.append(["model", context is not None])
            return "M"


        def model_warmup_fn(model_dir, model):
            LOG.append(["warm", model])
            return "ignored, too"


        def input_fn(data, content_type):
            return data


        def predict_fn(data, model):
            return LOG
    """),
        },
        ASK,
    ),
    Case(
        "hook-before-fails",
        "§4.4: pre_model_fn raises",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        def pre_model_fn(model_dir):
            raise RuntimeError("no licence")


        def model_fn(model_dir):
            return 1
    """),
        },
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("no licence"),
    ),
    Case(
        "hook-after-fails",
        "§4.4: model_warmup_fn raises",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        def model_fn(model_dir):
            return 1


        def model_warmup_fn(model_dir, model):
            raise RuntimeError("too cold")
    """),
        },
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("too cold"),
    ),
)
