"""Stands in for `ts.utils.util`."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


class PredictionException(Exception):  # noqa: N818 - TorchServe's name
    """An error that TorchServe answers with a status of its own, where it gets past the toolkit."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        self.message = message
        self.error_code = error_code
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} : {self.error_code}"


def load_label_mapping(mapping_file_path: str) -> dict[str, str] | None:
    """Return the names of classes by number, from a JSON file; ``None`` if it is not there.

    Raises:
        TypeError: If the file holds anything else.
    """
    path = Path(mapping_file_path)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError('index->name JSON mapping should be in "class": "label" format.')
    if isinstance(content.get("object_type_names"), list):
        return {str(number): name for number, name in enumerate(content["object_type_names"])}
    return {key: _label(value) for key, value in content.items()}


def _label(value: object) -> str:
    name = value[-1] if isinstance(value, list) else value
    if not isinstance(name, str):
        raise TypeError("labels in index->name mapping must be either str or List[str]")
    return name


def map_class_to_label(
    probs: Sequence[Sequence[float]],
    mapping: Mapping[str, str] | None = None,
    lbl_classes: Iterable[Iterable[int]] | None = None,
) -> list[dict[str, float]]:
    """Return the probabilities of each example by the names of the classes."""
    classes = itertools.repeat(range(len(probs[0])), len(probs)) if lbl_classes is None else lbl_classes
    return [
        {
            str(number) if mapping is None else mapping[str(number)]: share
            for number, share in zip(*row, strict=False)
        }
        for row in zip(classes, probs, strict=False)
    ]
