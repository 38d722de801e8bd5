"""What the default `output_fn` makes of what a model gives, and streams (reference §§2.2, 4.5)."""

import json

from tests.conformance.cases import (
    CSV,
    JSON,
    NPY,
    PICKS,
    Case,
    Request,
    picked,
)

_STREAM = """
from ts.handler_utils.utils import send_intermediate_predict_response as send


def predict_fn(data, model, context):
    def send_all(*parts):
        for part in parts:
            send([part], context.request_ids, "ok", 200, context)

    return STREAMS[data](context, send_all)


def output_fn(prediction, accept):
    return prediction


STREAMS = {
    "parts": lambda c, s: (s("one ", "two "), "three")[1],
    "one part": lambda c, s: (s("one "), "last")[1],
    "no part": lambda c, s: "alone",
    "empty last": lambda c, s: (s("one "), "")[1],
    "empty part": lambda c, s: (s("one ", "", "three "), "last")[1],
    "bytes": lambda c, s: (s(b"\\x00\\xff", bytearray(b"ab")), b"end")[1],
    "json": lambda c, s: (s({"a": 1}, [1]), {"done": True})[1],
    "tuple": lambda c, s: (s("a"), ("end", "text/plain"))[1],
    "headers": lambda c, s: (c.set_response_header(0, "X-Before", "1"), s("a"), "end")[2],
    "content type": lambda c, s: (c.set_response_content_type(0, "text/x-parts"), s("1"), "2")[2],
    "status": lambda c, s: (c.set_response_status(202, "Going", 0), s("a"), "end")[2],
    "header after": lambda c, s: (s("a"), c.set_response_header(0, "X-After", "1"), "end")[2],
    "many": lambda c, s: (s(*[f"{n}," for n in range(50)]), "end")[1],
    "exactly as before": lambda c, s: "alone",
}
"""

CASES = (
    Case(
        "output-stages",
        "§4.6: output_fn may be missing, and the default one encodes what predict_fn returned",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """

def predict_fn(data, model):
    return PREDICTIONS[data]


PREDICTIONS = {
    "list": [[1, 2], [3.5, 4]],
    "dict": {"a": [1]},
    "text": "x",
    "number": 3,
    "none": None,
    "tuple": ("a", "text/plain"),
    "nan": [float("nan")],
    "bytes": b"ab",
    "ragged": [[1], [2, 3]],
    "bool": True,
    "mixed": [1, "a", None],
    "empty": [],
    "set": {1},
    "not ascii": "\\u4f60",
}
"""
            ).encode(),
        },
        tuple(
            Request(
                f"{what} as {accept}",
                json.dumps(what).encode(),
                (("Content-Type", JSON), ("Accept", accept)),
                compared=("status", "reason", "headers")
                if what in ("bytes", "set", "dict", "text", "none", "mixed", "ragged") and accept == NPY
                else ("status", "reason", "headers", "body"),
            )
            for accept in (JSON, CSV, NPY)
            for what in (
                "list",
                "dict",
                "text",
                "number",
                "none",
                "tuple",
                "nan",
                "bytes",
                "ragged",
                "bool",
                "mixed",
                "empty",
                "set",
                "not ascii",
            )
        ),
    ),
    Case(
        "streaming",
        "§2.2: parts become chunks, without a Content-Type",
        {"weights.bin": b"", "code/inference.py": (PICKS + _STREAM).encode()},
        picked(
            [
                "parts",
                "one part",
                "no part",
                "empty last",
                "empty part",
                "bytes",
                "json",
                "tuple",
                "headers",
                "content type",
                "status",
                "header after",
                "many",
                "exactly as before",
            ]
        ),
    ),
)
