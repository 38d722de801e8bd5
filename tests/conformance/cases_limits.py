"""Sizes, times and numbers: what the container's variables limit (reference §§1.3, 4.3, 4.7, 4.8)."""

from tests.conformance.cases import JSON, OCTETS, ROW, Case, Instead, Request, source, typed

_SIZES = {
    "weights.bin": b"",
    "code/inference.py": source("""
    def model_fn(model_dir):
        return None


    def transform_fn(model, data, content_type, accept):
        if content_type == "text/size":
            return b"x" * int(data)
        return str(len(data)), "text/plain"
"""),
}


def _sized(size: int) -> Request:
    return Request(f"{size} bytes in", b"x" * size, (("Content-Type", OCTETS),), front=True)


def _answered(size: int, compared: tuple[str, ...] = ("status", "reason", "headers", "body")) -> Request:
    return Request(
        f"{size} bytes out",
        str(size).encode(),
        (("Content-Type", "text/size"), ("Accept", "text/plain")),
        front=True,
        compared=compared,
    )


def _with_headers(name: str, *headers: tuple[str, str]) -> Request:
    return Request(name, ROW, (("Content-Type", JSON), *headers), front=True)


_SLOW = {
    "weights.bin": b"",
    "code/inference.py": source("""
    import time


    def model_fn(model_dir):
        return None


    def transform_fn(model, data, content_type, accept):
        time.sleep(float(data))
        return "slept", "text/plain"
"""),
}

_PID = {
    "weights.bin": b"",
    "code/inference.py": source("""
    import time

    STATE = {"asked": 0}


    def model_fn(model_dir):
        return STATE


    def transform_fn(model, data, content_type, accept, context):
        model["asked"] += 1
        return [model["asked"], context.system_properties["batch_size"]]
"""),
}

CASES = (
    Case(
        "limits-default",
        "§1.3: 6 553 500 bytes in and out",
        _SIZES,
        (
            _sized(6_553_500),
            _sized(6_553_501),
            _sized(7_000_000),
            Request(
                "refused before it is sent",
                b"x",
                (("Content-Type", OCTETS), ("Expect", "100-continue")),
                front=True,
            ),
            _answered(1000),
            _answered(6_000_000, ("status", "reason", "headers")),
            typed("after", b"x", OCTETS),
        ),
    ),
    Case(
        "limits-request",
        "§4.3: TS_MAX_REQUEST_SIZE",
        _SIZES,
        (
            _sized(99),
            _sized(100),
            _sized(101),
            _sized(100_000),
            Request("chunked", b"x" * 200, (("Content-Type", OCTETS),), framing="chunked", front=True),
            Request(
                "chunked and small", b"x" * 20, (("Content-Type", OCTETS),), framing="chunked", front=True
            ),
            Request("ping", b"", (), "GET", "/ping", framing="none", front=True),
        ),
        {"TS_MAX_REQUEST_SIZE": "100"},
    ),
    Case(
        "limits-response",
        "§4.3: a response over TS_MAX_RESPONSE_SIZE costs the worker its life",
        _SIZES,
        (_answered(100), _answered(1000), _answered(2000), _answered(50_000), _answered(10)),
        {"TS_MAX_RESPONSE_SIZE": "1000"},
    ),
    Case(
        "limits-response-raised",
        "§4.3: it can be raised",
        _SIZES,
        (_answered(7_000_000, ("status", "reason", "headers")),),
        {"TS_MAX_RESPONSE_SIZE": "8000000"},
    ),
    Case(
        "limits-time",
        "§4.3: TS_DEFAULT_RESPONSE_TIMEOUT works",
        _SLOW,
        (
            typed("fast", b"0", OCTETS),
            Request("slow", b"4", (("Content-Type", OCTETS),), front=True),
            Request("after", b"0", (("Content-Type", OCTETS),), front=True),
        ),
        {"TS_DEFAULT_RESPONSE_TIMEOUT": "1"},
    ),
    Case(
        "limits-time-ignored",
        "§4.2: SAGEMAKER_MODEL_SERVER_TIMEOUT does not",
        _SLOW,
        (Request("slow", b"2.5", (("Content-Type", OCTETS),), front=True),),
        {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"},
    ),
    Case(
        "limits-time-of-the-family",
        "§4.3: SAGEMAKER_TS_RESPONSE_TIMEOUT works",
        _SLOW,
        (
            typed("fast", b"0", OCTETS),
            Request("slow", b"4", (("Content-Type", OCTETS),), front=True),
            Request("after", b"0", (("Content-Type", OCTETS),), front=True),
        ),
        {"SAGEMAKER_TS_RESPONSE_TIMEOUT": "1"},
    ),
    Case(
        "limits-queue",
        "§4.3: TS_JOB_QUEUE_SIZE; one request is with the worker, so many may wait, the rest is 503",
        _SLOW,
        (
            Request("ten", b"0.5", (("Content-Type", OCTETS),), copies=10, front=True),
            typed("after", b"0", OCTETS),
        ),
        {"TS_JOB_QUEUE_SIZE": "2"},
    ),
    Case(
        "limits-family",
        "§4.3: any one of SAGEMAKER_TS_* sets all; one worker",
        _PID,
        (typed("first", ROW, JSON), typed("second", ROW, JSON), typed("third", ROW, JSON)),
        {"SAGEMAKER_TS_MAX_BATCH_DELAY": "10", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
    ),
    Case(
        "limits-batch",
        "§4.8: a batch of one at a time is answered one by one",
        _PID,
        (Request("first", front=True), Request("second", front=True)),
        {"SAGEMAKER_TS_BATCH_SIZE": "4", "SAGEMAKER_TS_MAX_BATCH_DELAY": "50"},
    ),
    Case(
        "limits-batch-together",
        "§4.8: several at once are one batch; one answer that fails, fails all",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        def model_fn(model_dir):
            return None


        def transform_fn(model, data, content_type, accept):
            if b"boom" in data:
                raise ValueError("boom")
            return "fine", "text/plain"
    """),
        },
        (
            Request("alone", b"x", (("Content-Type", OCTETS),), front=True),
            Request("fails alone", b"boom", (("Content-Type", OCTETS),), front=True),
            Request("fail together", b"boom", (("Content-Type", OCTETS),), copies=4, front=True),
        ),
        {"SAGEMAKER_TS_BATCH_SIZE": "4", "SAGEMAKER_TS_MAX_BATCH_DELAY": "1000"},
        instead={"fail together": Instead("a bad request fails alone", 500, "boom")},
    ),
    Case(
        "limits-one-at-a-time",
        "§4.9: one worker answers one request at a time",
        _PID,
        (Request("together", copies=5, front=True), Request("after", front=True)),
    ),
    Case(
        "limits-slow-start",
        "§4.7: invocations wait for the model",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        import time


        def model_fn(model_dir):
            time.sleep(2)
            return "M"


        def transform_fn(model, data, content_type, accept):
            return model
    """),
        },
        (typed("json", ROW, JSON),),
    ),
    Case(
        "limits-headers",
        "§1.3: unknown headers are ignored, large ones are taken",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        def model_fn(model_dir):
            return None


        def transform_fn(model, data, content_type, accept, context):
            headers = context.get_all_request_header(0)
            return str(sum(len(headers[name]) for name in headers if name.startswith("X-"))), "text/plain"
    """),
        },
        (
            *(_with_headers(f"{size} bytes in one", ("X-Large", "v" * size)) for size in (1000, 4000, 7000)),
            _with_headers("fifty", *((f"X-{n}", "v") for n in range(50))),
        ),
    ),
)
