"""What the tests of a run share."""

import contextlib
import functools
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orchestrator.testing.plugin import Lasting


def test_a_thing_is_made_once_for_its_key_and_ends_with_the_run() -> None:
    events: list[str] = []

    @contextlib.contextmanager
    def made(name: str) -> Iterator[str]:
        events.append(f"{name} begins")
        yield name
        events.append(f"{name} ends")

    with ExitStack() as until:
        lasting = Lasting(until)
        asked = [lasting.once(name, functools.partial(made, name)) for name in ("one", "two", "one")]
    assert asked == ["one", "two", "one"]
    assert events == ["one begins", "two begins", "two ends", "one ends"]


def test_what_has_failed_fails_again_and_is_not_tried_again() -> None:
    tried: list[str] = []

    def failing() -> contextlib.AbstractContextManager[str]:
        tried.append("a deployment")
        raise RuntimeError("it takes a minute to fail")

    with ExitStack() as until:
        lasting = Lasting(until)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="a minute"):
                lasting.once("pets", failing)
    assert len(tried) == 1
