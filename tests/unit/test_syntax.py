"""Python's parser is asked by one thread at a time: CPython 3.11 confuses two."""

from collections.abc import Iterator

import pytest

from orchestrator.core import syntax


class Watcher(tuple[int, int]):
    """A version that looks, while a text is parsed for it, whether another thread could parse one, too."""

    __slots__ = ()

    def __iter__(self) -> Iterator[int]:
        assert not syntax.ONE_AT_A_TIME.acquire(blocking=False)
        return super().__iter__()


def test_while_one_text_is_parsed_no_other_is() -> None:
    assert len(syntax.parse("a = 1\n", Watcher((3, 10))).body) == 1
    assert not syntax.ONE_AT_A_TIME.locked()


def test_a_text_that_cannot_be_parsed_is_in_nobodys_way() -> None:
    with pytest.raises(SyntaxError):
        syntax.parse("class\n")
    assert not syntax.ONE_AT_A_TIME.locked()
