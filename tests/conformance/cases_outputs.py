"""What a handler function may return, and what becomes of it (reference §§2.2, 4.6)."""

from tests.conformance.cases import (
    JSON,
    NPY,
    OCTETS,
    PICKS,
    ROW,
    Case,
    Instead,
    Request,
    picked,
    source,
    typed,
)

_NOT_ASCII = "an answer whose head is not ASCII hangs the container's worker for as long as its time-out"


_RETURNS = """

def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return OUTPUTS[prediction]()


"""


def _outputs(
    about: str, name: str, values: dict[str, str], imports: str = "", accept: str | None = None
) -> Case:
    """Return a case whose `output_fn` returns what the request names; each value is an expression."""
    lines = "".join(f"    {key!r}: lambda: {text},\n" for key, text in values.items())
    text = f"{PICKS}{imports}{_RETURNS}OUTPUTS = {{\n{lines}}}\n"
    return Case(name, about, {"weights.bin": b"", "code/inference.py": text.encode()}, picked(values, accept))


CASES = (
    _outputs(
        "§4.6: text and bytes go out as they are",
        "output-text",
        {
            "text": "'text'",
            "text not ascii": "'h\\u00e9 \\u4f60'",
            "empty text": "''",
            "json text": "'{\"a\": 1}'",
            "bytes": "b'\\x00\\xff'",
            "empty bytes": "b''",
            "bytearray": "bytearray(b'ab')",
            "newline": "'a\\n'",
            "text subclass": "type('T', (str,), {})('sub')",
            "bytes subclass": "type('B', (bytes,), {})(b'sub')",
            "memoryview": "memoryview(b'ab')",
            "half a pair": "'\\ud800'",
            "after it": "'fine'",
        },
    ),
    _outputs(
        "§4.6: everything else goes through json.dumps(indent=2)",
        "output-json",
        {
            "dict": "{'b': 1, 'a': [1, {'c': None}]}",
            "list": "[1, 2.5, 'x', True, None]",
            "nested tuple": "[(1, 2), [3]]",
            "empty dict": "{}",
            "empty list": "[]",
            "number": "3",
            "float": "0.1",
            "large": "10 ** 30",
            "tiny": "1e-300",
            "negative zero": "-0.0",
            "true": "True",
            "none": "None",
            "nan": "float('nan')",
            "infinity": "[float('inf'), -float('inf')]",
            "not ascii": "{'k\\u00e9': '\\u4f60'}",
            "control characters": "['\\x00\\x1f\\u2028\"\\\\']",
            "int keys": "{1: 'a', 2.5: 'b', True: 'c', None: 'd'}",
            "tuple keys": "{(1, 2): 'a'}",
            "bytes inside": "{'a': b'b'}",
            "set inside": "[{1}]",
            "int enum": "__import__('http').HTTPStatus(404)",
            "ordered": "__import__('collections').OrderedDict(z=1, a=2)",
            "named tuple inside": "[__import__('collections').namedtuple('P', 'x y')(1, 2)]",
            "int subclass": "type('I', (int,), {})(7)",
            "deep": "[[[[[[]]]]]]",
        },
    ),
    _outputs(
        "§4.6: what cannot be written is 503",
        "output-unsupported",
        {
            "set": "{1, 2}",
            "frozenset": "frozenset([1])",
            "generator": "(x for x in 'ab')",
            "iterator": "iter([1])",
            "range": "range(3)",
            "object": "object()",
            "class": "dict",
            "function": "len",
            "complex": "1j",
            "decimal": "__import__('decimal').Decimal('1.5')",
            "date": "__import__('datetime').date(2026, 1, 1)",
            "exception": "ValueError('x')",
            "ellipsis": "...",
            "module": "json",
            "deque": "__import__('collections').deque([1])",
            "path": "__import__('pathlib').Path('x')",
            "dict view": "{}.keys()",
            "fine": "'fine'",
        },
    ),
    _outputs(
        "§4.6: a value that contains itself is a ValueError, which costs the worker its life or not",
        "output-circular",
        {
            "circular": "(lambda l: (l.append(l), l)[1])([])",
            "fine": "'fine'",
        },
    ),
    _outputs(
        "§4.6: a tuple's second element is the content type, the third is ignored",
        "output-tuples",
        {
            "pair": "('a,b', 'text/csv')",
            "json pair": "({'a': 1}, 'application/json')",
            "bytes pair": "(b'\\x00', 'image/png')",
            "three": "('a', 'text/plain', 'more')",
            "four": "('a', 'text/plain', 3, 4)",
            "one": "('a',)",
            "none": "()",
            "empty type": "('a', '')",
            "pair of lists": "([1], 'application/x')",
            "parameters": "('a', 'text/plain; charset=utf-8')",
            "none body": "(None, 'application/json')",
            "set body": "({1}, 'application/json')",
            "named tuple": "__import__('collections').namedtuple('R', 'body kind')('a', 'text/plain')",
            "list of two": "['a', 'text/plain']",
            "accept": "('a', None) if False else ('a', 'any')",
        },
    ),
    *(
        _outputs(
            f"§4.6: a content type that is {what} costs the worker its life",
            f"output-content-type-{what}",
            {"wrong": f"('a', {text})", "after": "'fine'"},
        )
        for what, text in (
            ("none", "None"),
            ("bytes", "b'text/plain'"),
            ("number", "1"),
            ("list", "['text/plain']"),
        )
    ),
    Case(
        "output-content-type-not-ascii",
        "§4.7: a content type outside ASCII hangs the worker",
        {
            "weights.bin": b"",
            "code/inference.py": source(r"""
        def model_fn(model_dir):
            return None


        def transform_fn(model, data, content_type, accept):
            return "x", "text/caf\u00e9"
    """),
        },
        (typed("json", ROW, JSON),),
        patience_seconds=20,
        instead={"json": Instead(_NOT_ASCII, 200, "x")},
    ),
    _outputs(
        "§4.6: the Content-Type is the whole Accept string",
        "output-accept",
        {"text": "'text'", "dict": "{'a': 1}", "pair": "('a', 'text/plain')", "set": "{1}"},
        accept="text/csv, application/json;q=0.5",
    ),
    _outputs(
        "§4.6: also where Accept names a single type",
        "output-accept-npy",
        {"text": "'text'", "bytes": "b'raw'"},
        accept=NPY,
    ),
    _outputs(
        "§4.6: tensors go out as torch.save, numpy arrays not at all",
        "output-tensors",
        {
            "array": "np.ones(2)",
            "scalar": "np.float32(1)",
            "double": "np.float64(1.5)",
            "bool": "np.bool_(True)",
            "text": "np.str_('s')",
            "list of scalars": "[np.float64(2)]",
            "list of small scalars": "[np.float32(2)]",
            "list of tensors": "[torch.ones(1)]",
            "device": "torch.device('cpu')",
            "size": "torch.Size([1, 2])",
            "fine": "torch.ones(2).tolist()",
        },
        "import numpy as np\nimport torch\n",
    ),
    Case(
        "output-tensor-bytes",
        "§4.6: the bytes of torch.save under the Accept type",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        import torch


        def model_fn(model_dir):
            return None


        def transform_fn(model, data, content_type, accept):
            return torch.tensor([[1.0, 2.0]])
    """),
        },
        (
            Request(
                "tensor",
                ROW,
                (("Content-Type", JSON), ("Accept", OCTETS)),
                compared=("status", "reason", "headers"),
            ),
            Request("tensor by default", ROW, compared=("status", "reason", "headers")),
        ),
    ),
)
