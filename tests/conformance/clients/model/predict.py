"""The entry point that all clients deploy: a linear model, with what each of them wants to see of it."""

import io
import json
from pathlib import Path

import numpy as np

_KINDS = ("application/json", "application/x-npy", "text/csv")


def model_fn(model_dir):
    return np.asarray(json.loads(Path(model_dir, "weights.json").read_text()), dtype="float64")


def input_fn(body, content_type):
    if content_type not in _KINDS:
        raise ValueError("unsupported content type " + content_type)
    if content_type == "application/x-npy":
        return np.load(io.BytesIO(body))
    text = body if isinstance(body, str) else bytes(body).decode()
    if content_type == "text/csv":
        return np.asarray([[float(cell) for cell in line.split(",")] for line in text.strip().split("\n")])
    return np.asarray(json.loads(text), dtype="float64")


def predict_fn(rows, model):
    return rows @ model


def output_fn(prediction, accept):
    if accept == "application/x-npy":
        stream = io.BytesIO()
        np.save(stream, prediction)
        return stream.getvalue(), accept
    if accept == "text/csv":
        return "\n".join(str(value) for value in prediction.tolist()), accept
    return json.dumps(prediction.tolist()), "application/json"
