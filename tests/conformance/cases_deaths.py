"""What costs a worker its life, and what comes after (reference §4.7)."""

from tests.conformance.cases import PICKS, Case, Instead, Request, at_the_front, picked
from tests.conformance.cases_errors import ERRORS, raising

_NOT_ASCII = "an error text outside ASCII hangs the container's worker for as long as its time-out"

CASES = (
    Case(
        "errors-recursion",
        "§4.7: an endless recursion is an exception as any other",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """

def predict_fn(data, model):
    return predict_fn(data, model) if data == "deep" else data


def output_fn(prediction, accept):
    return prediction
"""
            ).encode(),
        },
        (Request("deep", b'"deep"', compared=("status", "headers")), *picked(["fine"])),
    ),
    Case(
        "errors-not-ascii",
        "§4.7: an exception text outside ASCII breaks the worker's protocol",
        raising({"accent": "ValueError('caf\\u00e9')"}),
        at_the_front(picked(["accent", "fine"])),
        patience_seconds=20,
        instead={"accent": Instead(_NOT_ASCII, 500, "caf\u00e9"), "fine": Instead(_NOT_ASCII, 200, "fine")},
    ),
    Case(
        "errors-not-ascii-message",
        "§4.7: only the phrase has to be ASCII; the message may be anything",
        raising({"message": "Base(400, 'caf\\u00e9', 'Cafe')"}, start=ERRORS),
        picked(["message", "fine"]),
    ),
    Case(
        "errors-traceback-not-ascii",
        "§4.7: so may the traceback",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """

def predict_fn(data, model):
    café = data
    raise ValueError("plain" if café else "never")  # 你好
"""
            ).encode(),
        },
        picked(["traced"]),
    ),
    *(
        Case(
            f"death-{name}",
            f"§4.7: {text} costs the worker its life; the next answer comes from a new one",
            {
                "weights.bin": b"",
                "code/inference.py": (
                    PICKS
                    + f"""
import ctypes
import os
import signal
import sys


def predict_fn(data, model):
    if data == "die":
        {text}
    return data


def output_fn(prediction, accept):
    return prediction
"""
                ).encode(),
            },
            picked(["die", "fine"]),
        )
        for name, text in (
            ("sys-exit", "sys.exit(3)"),
            ("sys-exit-zero", "sys.exit()"),
            ("os-exit", "os._exit(0)"),
            ("keyboard-interrupt", "raise KeyboardInterrupt"),
            ("generator-exit", "raise GeneratorExit"),
            ("base-exception", "raise BaseException('base')"),
            ("segfault", "ctypes.string_at(0)"),
            ("abort", "os.abort()"),
            ("terminated", "os.kill(os.getpid(), signal.SIGTERM)"),
        )
    ),
    Case(
        "death-killed",
        "§4.7: a worker killed as if for memory",
        {
            "weights.bin": b"",
            "code/inference.py": (
                PICKS
                + """
import os
import signal


def predict_fn(data, model):
    if data == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return data


def output_fn(prediction, accept):
    return prediction
"""
            ).encode(),
        },
        # Whether TorchServe has read the exit status by then is chance: 500 or 507.
        (Request("die", b'"die"', compared=("headers",)), *picked(["fine"])),
    ),
)
