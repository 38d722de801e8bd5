"""The grammar of metric math: from the text of an expression to a tree.

The language is that of the CloudWatch user guide, using-metric-math. What it means is in `functions`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))"
)
# How closely each operator binds; ^ binds to the right.
_BINDING = {
    **dict.fromkeys(("OR", "||"), 1),
    **dict.fromkeys(("AND", "&&"), 2),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/"), 5),
    "^": 7,
}
_NEGATION = 6
_SAME = {"OR": "||", "AND": "&&"}
_END = ""
_DEEPEST = 60


class ExpressionError(ValueError):
    """An expression that is not metric math, or that the local cloud does not know."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is written in the expression."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is written in the expression."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a metric or of another expression, or a word such as ``REPEAT``."""

    value: str


@dataclass(frozen=True, slots=True)
class Many:
    """Several series between brackets."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator with its arguments; the negative of one thing is the function ``-``."""

    function: str
    arguments: tuple["Node", ...]


Node = Number | Text | Name | Many | Call


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        ExpressionError: If it is none.

    >>> parse("100*m1/SUM([m1,m2])").arguments[1].function
    'SUM'
    """
    reader = _Reader(list(_tokens(text)))
    tree = reader.expression(0)
    if reader.next != _END:
        raise ExpressionError(f"unexpected '{reader.next}'")
    return tree


def names(node: Node) -> frozenset[str]:
    """Return the ids and words that an expression names."""
    match node:
        case Name():
            return frozenset({node.value})
        case Many():
            return frozenset().union(*map(names, node.items))
        case Call():
            return frozenset().union(*map(names, node.arguments))
    return frozenset()


def calls(node: Node) -> frozenset[str]:
    """Return the functions and operators that an expression uses."""
    match node:
        case Many():
            return frozenset().union(*map(calls, node.items))
        case Call():
            return frozenset({node.function}).union(*map(calls, node.arguments))
    return frozenset()


def _tokens(text: str) -> Iterator[str]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"unexpected '{text[position:].strip()[:1]}'")
        yield found[0].strip()
        position = found.end()
    yield _END


class _Reader:
    """Reads tokens by precedence climbing."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at]

    def take(self) -> str:
        word = self.next
        self._at += 1
        return word

    def expression(self, least: int) -> Node:
        self._deeper()
        left = self._operand()
        while (binding := _BINDING.get(self.next, -1)) >= max(least, 1):
            operator = self.take()
            right = self.expression(binding if operator == "^" else binding + 1)
            left = Call(_SAME.get(operator, operator), (left, right))
        self._depth -= 1
        return left

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpressionError("it is nested too deeply")

    def _operand(self) -> Node:
        word = self.take()
        if word == "-":
            return Call("-", (self.expression(_NEGATION),))
        if word == "(":
            inner = self.expression(0)
            self._expect(")")
            return inner
        if word == "[":
            return Many(tuple(self._list("]")))
        if word[:1] in "\"'" and word:
            return Text(word[1:-1])
        if word[:1].isdigit() or word[:1] == ".":
            return Number(float(word))
        return self._named(word)

    def _named(self, word: str) -> Node:
        if not re.fullmatch(r"[A-Za-z_]\w*", word):
            raise ExpressionError(f"unexpected '{word}'" if word else "it ends too early")
        if self.next != "(":
            return Name(word)
        self.take()
        return Call(word, tuple(self._list(")")))

    def _list(self, end: str) -> Iterator[Node]:
        while self.next != end:
            yield self.expression(0)
            if self.next != end:
                self._expect(",")
        self.take()

    def _expect(self, word: str) -> None:
        if self.next != word:
            raise ExpressionError(f"'{word}' is missing")
        self.take()
