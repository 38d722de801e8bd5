"""Small entry points, without torch, that tests of the serving container load."""

from pathlib import Path

ECHO = """
import json


def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    raw = data.encode() if isinstance(data, str) else bytes(data)
    return [type(data).__name__, repr(raw), content_type]


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return json.dumps({"input": prediction, "accept": accept})
"""

COMMANDED = '''
"""Does what the request says: [verb, argument]."""

import json
import os
import sys


def model_fn(model_dir):
    print("model_fn says hello")
    return os.getpid()


def input_fn(data, content_type):
    return json.loads(data)


def predict_fn(data, model):
    verb, argument = data
    if verb == "wait":
        # Opening a FIFO blocks until the test opens its side, reading until the test closes it.
        with open(argument) as gate:
            gate.read()
    if verb == "exit":
        sys.exit(argument)
    if verb == "raise":
        raise ValueError(argument)
    if verb == "large":
        return "x" * argument
    if verb == "print":
        print(argument)
    return model


def output_fn(prediction, accept):
    return prediction if isinstance(prediction, str) else json.dumps(prediction)
'''


def write(model_dir: Path, source: str, name: str = "predict.py") -> Path:
    """Make a model folder with one entry point in its ``code`` folder, and return it."""
    path = model_dir / "code" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return model_dir
