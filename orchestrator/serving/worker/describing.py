"""What a generated entry point says of its model, for people who want to send it something."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any


def described(module: ModuleType | None) -> dict[str, object]:
    """Return the inputs, the task and the labels of a generated entry point's `ENTRY_POINT`, or nothing.

    Somebody else's module may have something of that name; it is then asked in vain.
    """
    entry_point = getattr(module, "ENTRY_POINT", None)
    inputs = getattr(getattr(entry_point, "schema", None), "inputs", None)
    task = getattr(entry_point, "task", None)
    if not isinstance(inputs, Mapping) or task is None:
        return {}
    facts: dict[str, object] = {
        "inputs": {str(name): _input(value) for name, value in inputs.items()},
        "task": _words(type(task).__name__),
    }
    labels = getattr(task, "labels", None)
    if labels:
        facts["labels"] = [str(label) for label in labels]
    return facts


def _input(value: Any) -> dict[str, object]:  # noqa: ANN401 - a class that ships in the archive
    shape = getattr(value, "shape", None)
    return {
        "dtype": str(getattr(value, "dtype", "float32")),
        "shape": None if shape is None else [int(size) for size in shape],
    }


def _words(name: str) -> str:
    """Return a class's name as the spec writes tasks.

    >>> _words("ImageClassification")
    'image-classification'
    """
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
