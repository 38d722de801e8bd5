"""Stands in for `sagemaker_inference.utils`."""

import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.serving.worker.formats import parse_accept

__all__ = [
    "CONTENT_TYPE_REGEX",
    "parse_accept",
    "read_file",
    "remove_crlf",
    "retrieve_content_type_header",
    "write_file",
]

CONTENT_TYPE_REGEX = re.compile("^[Cc]ontent-?[Tt]ype")


def read_file(path: str, mode: str = "r") -> str | bytes:
    """Return the content of a file."""
    return Path(path).read_bytes() if "b" in mode else Path(path).read_text(encoding="utf-8")


def write_file(path: str, data: str | bytes, mode: str = "w") -> None:
    """Write a file."""
    with Path(path).open(mode) as file:
        file.write(data)


def retrieve_content_type_header(request_property: Mapping[str, str]) -> str | None:
    """Return the first header that is called Content-Type, more or less."""
    return next((value for name, value in request_property.items() if CONTENT_TYPE_REGEX.match(name)), None)


def remove_crlf(illegal_string: str) -> str:
    """Return a text with blanks for line ends."""
    return illegal_string.replace("\r", " ").replace("\n", " ")
