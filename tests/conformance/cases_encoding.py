"""What the default `output_fn` encodes, and as what (reference §4.5)."""

import json

from tests.conformance.bodies import F4
from tests.conformance.cases import (
    CSV,
    JSON,
    NPY,
    NPZ,
    OCTETS,
    PICKS,
    ROW,
    Case,
    Request,
    typed,
)
from tests.conformance.fixtures import MODEL

_STATUS_ONLY = ("status", "headers")

CASES = (
    Case(
        "defaults-accept",
        "§4.5: the first supported type of Accept's parts, compared whole",
        MODEL,
        (
            *(
                typed(name, ROW, JSON, accept)
                for name, accept in {
                    "missing": None,
                    "any": "*/*",
                    "json": JSON,
                    "csv": CSV,
                    "npy": NPY,
                    "xml": "application/xml",
                    "csv first": "text/csv, application/json",
                    "unknown first": "text/html, text/csv",
                    "spaces": "text/html ,  text/csv ",
                    "no spaces": "a/b,text/csv",
                    "quality": "application/json;q=0.9",
                    "quality after": "text/csv;q=0.5, application/json",
                    "any in a list": "text/html, */*",
                    "any type": "application/*",
                    "upper case": "Application/JSON",
                    "npz": NPZ,
                    "octets": OCTETS,
                    "charset": "application/json; charset=utf-8",
                    "commas": ",,text/csv,",
                    "space inside": "text / csv",
                    "percent": "a%sb",
                    "all": "*",
                }.items()
            ),
            typed("nan as csv", b"[[NaN, 1, 2]]", JSON, CSV),
            typed("nan as json", b"[[NaN, 1, 2]]", JSON, JSON),
            typed("infinity", b"[[Infinity, 1, 2]]", JSON),
            typed("csv in and out", b"1,2,3\n4,5,6\n", CSV, CSV),
            typed("npy in and out", F4, NPY, NPY),
            typed("one dimension as csv", b"[1,2,3]", JSON, CSV),
        ),
    ),
    Case(
        "defaults-encode",
        "§4.5: what the default output_fn does to what a model may give",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """
import numpy as np
import torch


def predict_fn(data, model):
    return GIVEN[data]()


GIVEN = {
    "float32": lambda: torch.tensor([[0.1, 2.0]]),
    "float64": lambda: torch.tensor([0.1], dtype=torch.float64),
    "float16": lambda: torch.tensor([0.1], dtype=torch.float16),
    "bfloat16": lambda: torch.tensor([1.5], dtype=torch.bfloat16),
    "int64": lambda: torch.tensor([[1, 2]]),
    "uint8": lambda: torch.tensor([255], dtype=torch.uint8),
    "bool": lambda: torch.tensor([True]),
    "complex": lambda: torch.tensor([1 + 2j]),
    "scalar": lambda: torch.tensor(3.0),
    "empty": lambda: torch.zeros(0, 3),
    "three dimensions": lambda: torch.zeros(1, 2, 2),
    "with gradient": lambda: torch.ones(1, requires_grad=True),
    "parameter": lambda: torch.nn.Parameter(torch.ones(1)),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "list of tensors": lambda: [torch.ones(1), torch.zeros(2)],
    "dict of tensors": lambda: {"a": torch.ones(2)},
    "tuple of tensors": lambda: (torch.ones(1), torch.ones(1)),
    "array": lambda: np.array([[1.5, 2]]),
    "small array": lambda: np.array([0.1], dtype="float32"),
    "number": lambda: np.float32(0.5),
    "texts": lambda: np.array(["a", "b"]),
    "dates": lambda: np.array(["2026-01-01"], dtype="datetime64[D]"),
    "objects": lambda: np.array([{"a": 1}], dtype=object),
    "size": lambda: torch.Size([2]),
}
"""
            ).encode(),
        },
        tuple(
            Request(
                f"{what} as {accept}",
                json.dumps(what).encode(),
                (("Content-Type", JSON), ("Accept", accept)),
                compared=_STATUS_ONLY
                if (accept == NPY and what in ("dict of tensors", "objects"))
                or what in ("bfloat16", "sparse", "list of tensors")
                else ("status", "reason", "headers", "body"),
            )
            for accept in (JSON, CSV, NPY)
            for what in (
                "float32",
                "float64",
                "float16",
                "bfloat16",
                "int64",
                "uint8",
                "bool",
                "complex",
                "scalar",
                "empty",
                "three dimensions",
                "with gradient",
                "parameter",
                "sparse",
                "list of tensors",
                "dict of tensors",
                "tuple of tensors",
                "array",
                "small array",
                "number",
                "texts",
                "dates",
                "objects",
                "size",
            )
        ),
    ),
)
