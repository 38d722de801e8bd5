"""The default functions one at a time, and which file the default `model_fn` takes (reference §4.5)."""

import struct

from tests.conformance.bodies import npy
from tests.conformance.cases import (
    ASK,
    CSV,
    JSON,
    NPY,
    OCTETS,
    ROW,
    Case,
    LoadFails,
    source,
    typed,
)
from tests.conformance.fixtures import LINEAR, STATE_DICT

CASES = (
    Case(
        "defaults-each-input",
        "§4.5: only input_fn is missing",
        {
            "model.pt": LINEAR,
            "code/inference.py": source("""
        def model_fn(model_dir):
            return None


        def predict_fn(data, model):
            return [type(data).__name__, str(data.dtype), data.tolist()]


        def output_fn(prediction, accept):
            return str(prediction), "text/plain"
    """),
        },
        (
            typed("json", ROW, JSON),
            typed("csv", b"1,2\n3,4\n", CSV),
            typed("one row of csv", b"1,2\n", CSV),
            typed("npy", npy("<i2", (2,), b"\1\0\2\0"), NPY),
            typed("npy of doubles", npy("<f8", (1,), struct.pack("<d", 0.1)), NPY),
            typed("bools in npy", npy("|b1", (2,), b"\1\0"), NPY),
            typed("nested", b"[[[[1]]]]", JSON),
            typed("other", b"x", OCTETS),
        ),
    ),
    Case(
        "defaults-each-predict",
        "§4.5: only predict_fn is missing: no gradients, evaluation",
        {
            "code/inference.py": source("""
        import torch


        class Net(torch.nn.Module):
            def forward(self, x):
                return [self.training, torch.is_grad_enabled(), x.tolist()]


        def model_fn(model_dir):
            return Net()


        def input_fn(data, content_type):
            return torch.ones(2)


        def output_fn(prediction, accept):
            return prediction
    """),
            "weights.bin": b"",
        },
        ASK,
    ),
    Case(
        "defaults-predict-on-no-module",
        "§4.5: the default predict_fn needs a module and a tensor",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        def model_fn(model_dir):
            return lambda x: x
    """),
        },
        (typed("json", ROW, JSON), typed("bad", b"{", JSON)),
    ),
    Case(
        "defaults-each-output",
        "§4.5: only output_fn is missing",
        {
            "model.pt": LINEAR,
            "code/inference.py": source("""
        def model_fn(model_dir):
            return 2


        def input_fn(data, content_type):
            return 1


        def predict_fn(data, model):
            return {"sum": data + model}
    """),
        },
        (typed("json", ROW, JSON), typed("csv", ROW, JSON, CSV), typed("xml", ROW, JSON, "application/xml")),
    ),
    Case(
        "defaults-each-model",
        "§4.5: only model_fn is missing",
        {
            "model.pt": LINEAR,
            "code/inference.py": source("""
        def input_fn(data, content_type):
            return data


        def predict_fn(data, model):
            return [type(model).__name__, model.training]


        def output_fn(prediction, accept):
            return prediction
    """),
        },
        ASK,
    ),
    Case(
        "defaults-model-with-transform",
        "§4.5: transform_fn with the default model_fn",
        {
            "model.pt": LINEAR,
            "code/inference.py": source("""
        import torch


        def transform_fn(model, data, content_type, accept):
            return model(torch.ones(1, 3)).tolist()
    """),
        },
        ASK,
    ),
    Case("defaults-model-pth", "§4.5: the only .pth file", {"net.pth": LINEAR, "notes.txt": b""}, ASK),
    Case(
        "defaults-model-pt",
        "§4.5: the only .pt file beside code/",
        {"net.pt": LINEAR, "code/inference.py": b""},
        ASK,
    ),
    Case(
        "defaults-model-named",
        "§4.5: model.pt wins over others",
        {"model.pt": LINEAR, "a.pt": b"x", "b.pth": b"x"},
        ASK,
    ),
    Case("defaults-model-hidden", "§4.5: a hidden .pt file counts", {".net.pt": LINEAR, "x.txt": b""}, ASK),
    *(
        Case(
            f"defaults-model-{name}",
            f"§4.5: {about}",
            files,
            ASK,
            patience_seconds=8,
            load_fails=LoadFails(says),
        )
        for name, about, files, says in (
            (
                "two",
                "two files and none called model.pt",
                {"a.pt": LINEAR, "b.pth": LINEAR},
                "Exactly one .pth or .pt file is required",
            ),
            (
                "absent",
                "no file",
                {"readme.txt": b""},
                "Exactly one .pth or .pt file is required for PyTorch models: []",
            ),
            (
                "upper",
                "the suffix is compared with its case",
                {"net.PT": LINEAR},
                "Exactly one .pth or .pt file is required",
            ),
            (
                "below",
                "only the root is searched",
                {"weights/net.pt": LINEAR, "x": b""},
                "Exactly one .pth or .pt file is required",
            ),
            (
                "state-dict",
                "a state_dict is no TorchScript",
                {"model.pt": STATE_DICT},
                "Please ensure model is saved using torchscript",
            ),
            (
                "damaged",
                "neither is anything else",
                {"model.pt": b"not a model"},
                "Please ensure model is saved using torchscript",
            ),
            ("empty", "nor nothing", {"model.pt": b""}, "Please ensure model is saved using torchscript"),
            (
                "safetensors",
                "safetensors are not looked for",
                {"model.safetensors": b"\0" * 8},
                "Exactly one .pth or .pt file is required",
            ),
        )
    ),
)
