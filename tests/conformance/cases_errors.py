"""Exceptions, deaths and the toolkit's own errors (reference §4.7)."""

from tests.conformance.cases import JSON, PICKS, Case, Request, at_the_front, picked, source, typed


def raising(values: dict[str, str], where: str = "predict_fn", start: str = "") -> dict[str, bytes]:
    """Return an entry point that raises what the request names; each value is an expression."""
    lines = "".join(f"    {key!r}: lambda: {text},\n" for key, text in values.items())
    text = (
        PICKS
        + start
        + f"""

def predict_fn(data, model):
    if data == "fine":
        return data
    raise RAISED[data]()


def output_fn(prediction, accept):
    return prediction


RAISED = {{
{lines}}}
"""
    )
    return {"weights.bin": b"", "code/inference.py": text.encode()}


_KINDS = {
    "value": "ValueError('bad value')",
    "empty": "ValueError()",
    "two arguments": "ValueError('a', 2)",
    "number": "ValueError(3)",
    "none": "ValueError(None)",
    "key": "KeyError('missing')",
    "key with quotes": 'KeyError("it\'s")',
    "type": "TypeError('bad type')",
    "index": "IndexError('list index out of range')",
    "attribute": "AttributeError('no such')",
    "os": "OSError(2, 'No such file', 'x.bin')",
    "file": "FileNotFoundError(2, 'No such file')",
    "memory": "MemoryError()",
    "memory with text": "MemoryError('too much')",
    "recursion": "RecursionError('too deep')",
    "stop": "StopIteration()",
    "stop with value": "StopIteration(5)",
    "assertion": "AssertionError()",
    "not implemented": "NotImplementedError()",
    "import": "ImportError('no module')",
    "zero": "ZeroDivisionError('division by zero')",
    "timeout": "TimeoutError('slow')",
    "unicode": "UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'invalid start byte')",
    "cuda": "RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')",
    "cuda error": "RuntimeError('CUDA error: CUBLAS_STATUS_NOT_INITIALIZED')",
    "out of memory": "RuntimeError('out of memory')",
    "group": "ExceptionGroup('several', [ValueError('a'), TypeError('b')])",
    "warning": "UserWarning('careful')",
    "own": "type('OwnError', (Exception,), {})('mine')",
    "own without text": "type('OwnError', (Exception,), {'__str__': lambda self: ''})('hidden')",
    "blocking": "BlockingIOError('would')",
    "interrupted": "InterruptedError('was')",
    "broken pipe": "BrokenPipeError('pipe')",
    "connection": "ConnectionResetError('reset')",
    "buffer": "BufferError('b')",
    "eof": "EOFError()",
}
_TEXTS = {
    "two lines": "ValueError('first\\nsecond')",
    "windows lines": "ValueError('first\\r\\nsecond\\r')",
    "line first": "ValueError('\\nsecond')",
    "only a line": "ValueError('\\n')",
    "tab": "ValueError('a\\tb')",
    "spaces": "ValueError('  padded  ')",
    "only spaces": "ValueError('   ')",
    "quotes": "ValueError('\"quoted\" and \\'single\\'')",
    "percent": "ValueError('100% {} %s')",
    "json": "ValueError('{\"a\": 1}')",
    "html": "ValueError('<b>bold</b>')",
    "200 characters": "ValueError('x' * 200)",
    "1500 characters": "ValueError('x' * 1500)",
    "says traceback": "ValueError('a\\nTraceback of mine')",
    "trailing line": "ValueError('a\\n')",
}
ERRORS = """
from sagemaker_inference.errors import BaseInferenceToolkitError as Base
from sagemaker_inference.errors import GenericInferenceToolkitError as Generic
from sagemaker_inference.errors import UnsupportedFormatError
"""
_TOOLKIT = {
    **{
        f"status {code}": f"Generic({code}, 'Message', 'Phrase')"
        for code in (200, 201, 302, 399, 400, 404, 415, 422, 429, 499, 500, 503, 507, 599, 600, 999)
    },
    "base": "Base(418, 'Short', 'Teapot')",
    "no phrase": "Generic(400, 'Only message')",
    "no message": "Generic(400)",
    "empty message": "Generic(400, '', '')",
    "empty phrase": "Base(400, 'Message', '')",
    "empty base": "Base(400, '', '')",
    "subclass": "type('Mine', (Base,), {})(409, 'Taken', 'Conflict')",
    "lines": "Base(400, 'one\\ntwo', 'a\\r\\nb')",
    "format": "UnsupportedFormatError('text/x')",
    "message of another type": "Base(400, {'a': 1}, 'Phrase')",
    "message none": "Base(400, None, 'Phrase')",
    "subclass with init": "Custom(7)",
    "long phrase": "Base(400, 'm', 'p' * 900)",
}
_CUSTOM = (
    ERRORS
    + """

class Custom(Base):
    def __init__(self, number):
        super().__init__(400 + number, f"number {number}", "Custom Phrase")
"""
)

CASES = (
    Case(
        "errors-kinds",
        "§4.7: any exception is 500, its text the reason, and the body the text and the traceback",
        raising(_KINDS),
        (*picked(_KINDS), *picked(["fine"])),
    ),
    Case(
        "errors-texts",
        "§4.7: CR and LF are spaces in the reason; the body has the text as it is",
        raising(_TEXTS),
        (*picked(_TEXTS), *picked(["fine"])),
    ),
    Case(
        "errors-toolkit",
        "§4.7: the toolkit's errors carry a status and a phrase",
        raising(_TOOLKIT, start=_CUSTOM),
        (*picked(_TOOLKIT), *picked(["fine"])),
    ),
    Case(
        "errors-toolkit-no-body",
        "§4.7: statuses without a body",
        raising(
            {"status 204": "Generic(204, 'M', 'P')", "status 304": "Generic(304, 'M', 'P')"}, start=ERRORS
        ),
        picked(["status 204", "status 304", "fine"]),
    ),
    *(
        Case(
            f"errors-toolkit-status-{name}",
            f"§4.7: a status that is {text}",
            raising({"odd": f"Base({text}, 'M', 'P')"}, start=ERRORS),
            # What no status line can hold is the front end's to refuse.
            at_the_front(picked(["odd", "fine"])) if name == "negative" else picked(["odd", "fine"]),
        )
        for name, text in (
            ("text", "'400'"),
            ("none", "None"),
            ("float", "400.0"),
            ("negative", "-1"),
            ("zero", "0"),
            ("huge", "2 ** 40"),
            ("true", "True"),
        )
    ),
    Case(
        "errors-toolkit-status-small",
        "§4.7: statuses that no answer has",
        raising({"status 99": "Base(99, 'M', 'P')", "status 1": "Base(1, 'M', 'P')"}, start=ERRORS),
        picked(["status 99", "status 1", "fine"]),
    ),
    Case(
        "errors-toolkit-status-informational",
        "§4.7: 100 to 199 are not final",
        raising({"status 150": "Base(150, 'M', 'P')", "status 199": "Base(199, 'M', 'P')"}, start=ERRORS),
        tuple(
            Request(name, f'"{name}"'.encode(), compared=())
            if name != "fine"
            else typed(name, b'"fine"', JSON)
            for name in ("status 150", "status 199", "fine")
        ),
        patience_seconds=4,
    ),
    *(
        Case(
            f"errors-toolkit-phrase-{name}",
            f"§4.7: a phrase that is {text}",
            raising({"odd": f"Base(400, 'M', {text})"}, start=ERRORS),
            picked(["odd", "fine"]),
        )
        for name, text in (("none", "None"), ("number", "5"), ("bytes", "b'P'"))
    ),
    Case(
        "errors-stages",
        "§4.7: every function's exceptions are answered alike",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        import json


        def model_fn(model_dir):
            return None


        def input_fn(data, content_type):
            if "input" in data:
                raise ValueError("from input_fn")
            return json.loads(data)


        def predict_fn(data, model):
            if data == "predict":
                raise ValueError("from predict_fn")
            return data


        def output_fn(prediction, accept):
            if prediction == "output":
                raise ValueError("from output_fn")
            return prediction
    """),
        },
        (
            *picked(["input", "predict", "output", "fine"]),
            typed("bad json", b"{", JSON),
            typed("empty", b"", JSON),
            typed("not utf-8", b"\xff", JSON),
        ),
    ),
    Case(
        "errors-chained",
        "§4.7: only the last of a chain is the message",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """

def predict_fn(data, model):
    try:
        return {}[data]
    except KeyError as error:
        if data == "from":
            raise RuntimeError("outer") from error
        if data == "from none":
            raise RuntimeError("outer") from None
        raise RuntimeError("outer during")
"""
            ).encode(),
        },
        picked(["from", "from none", "during"]),
    ),
    Case(
        "errors-notes",
        "§4.7: notes are in the traceback only",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """

def predict_fn(data, model):
    error = ValueError("with a note")
    error.add_note("the note")
    raise error
"""
            ).encode(),
        },
        picked(["noted"]),
    ),
)
