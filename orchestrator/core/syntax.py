"""Python's own parser, for one thread at a time."""

import ast
import threading

ONE_AT_A_TIME = threading.Lock()
"""Held while a text is parsed.

Where two threads parse at once, CPython 3.11 now and then ends with a `SystemError` about recursion depth;
so it has for others: python/cpython issue 106905.
"""


def parse(text: str, feature_version: tuple[int, int] | None = None) -> ast.Module:
    """Return the syntax of a module's ``text``; raises what `ast.parse` does.

    Args:
        text: Of the module.
        feature_version: The oldest Python that has to understand it; ``None`` for the one that runs this.
    """
    with ONE_AT_A_TIME:
        return ast.parse(text, feature_version=feature_version)
