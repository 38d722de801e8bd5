"""The rules of composite alarms: ``ALARM(a) AND NOT (OK("b c") OR FALSE)``.

Grammar of the CloudWatch API reference, PutCompositeAlarm. ``NOT`` binds closest, then ``AND``, then ``OR``.
``false`` is what DeleteAlarms advises to break a cycle with, so both constants may be written small.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_WORD = re.compile(
    r"\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"(?P<quoted>[^\"]+)\"|'(?P<single>[^']+)'"
    r"|(?P<bare>[^\"'()\s]+))\s*\)|(?P<word>AND\b|OR\b|NOT\b|(?i:TRUE|FALSE)\b|[()]))"
)
_MOST_NESTED = 60


class RuleError(ValueError):
    """A text that is no rule."""


@dataclass(frozen=True, slots=True)
class In:
    """Whether an alarm is in a state; it is named by its name or its ARN."""

    state: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Constant:
    """``TRUE`` or ``FALSE``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a rule."""

    inner: "Rule"


@dataclass(frozen=True, slots=True)
class All:
    """Several rules of which every one must hold."""

    parts: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Several rules of which one must hold."""

    parts: tuple["Rule", ...]


Rule = In | Constant | Not | All | Any


def parse(text: str) -> Rule:
    """Return the rule that a text says.

    Raises:
        RuleError: If it says none.

    >>> parse("ALARM(a) AND NOT OK('b')")
    All(parts=(In(state='ALARM', alarm='a'), Not(inner=In(state='OK', alarm='b'))))
    """
    reader = _Reader(list(_words(text)))
    rule = reader.either(0)
    if reader.next is not None:
        raise RuleError(f"unexpected '{_shown(reader.next)}'")
    return rule


def holds(rule: Rule, state_of: Callable[[str], str | None]) -> bool:
    """Tell whether a rule holds; an alarm that is not there is in no state."""
    match rule:
        case In():
            return state_of(name_of(rule.alarm)) == rule.state
        case Constant():
            return rule.value
        case Not():
            return not holds(rule.inner, state_of)
        case All():
            return all(holds(part, state_of) for part in rule.parts)
        case Any():
            return any(holds(part, state_of) for part in rule.parts)


def children(rule: Rule) -> Iterator[str]:
    """Yield the names of the alarms that a rule looks at, each once, in the order they come."""
    yield from dict.fromkeys(name_of(part.alarm) for part in _leaves(rule))


def name_of(alarm: str) -> str:
    """Return the name of an alarm that is given by its name or its ARN.

    >>> name_of("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors")
    'errors'
    """
    return alarm.split(":", 6)[-1] if alarm.startswith("arn:") else alarm


def _leaves(rule: Rule) -> Iterator[In]:
    match rule:
        case In():
            yield rule
        case Not():
            yield from _leaves(rule.inner)
        case All() | Any():
            for part in rule.parts:
                yield from _leaves(part)


def _words(text: str) -> Iterator[In | str]:
    position, end = 0, len(text.rstrip())
    if not end:
        raise RuleError("it is empty")
    while position < end:
        found = _WORD.match(text, position)
        if found is None:
            raise RuleError(f"unexpected '{text[position:].strip()[:20]}'")
        if state := found["state"]:
            yield In(state, found["quoted"] or found["single"] or found["bare"])
        else:
            yield found["word"].upper()
        position = found.end()


def _shown(word: In | str) -> str:
    return f"{word.state}({word.alarm})" if isinstance(word, In) else word


class _Reader:
    def __init__(self, words: Sequence[In | str]) -> None:
        self._words = words
        self._at = 0

    @property
    def next(self) -> In | str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def either(self, depth: int) -> Rule:
        parts = self._parts("OR", lambda: self._every(depth))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _every(self, depth: int) -> Rule:
        parts = self._parts("AND", lambda: self._single(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _parts(self, word: str, part: Callable[[], Rule]) -> list[Rule]:
        parts = [part()]
        while self.next == word:
            self._at += 1
            parts.append(part())
        return parts

    def _single(self, depth: int) -> Rule:
        if depth > _MOST_NESTED:
            raise RuleError("it is nested too deeply")
        word = self.next
        self._at += 1
        match word:
            case In():
                return word
            case "TRUE" | "FALSE":
                return Constant(word == "TRUE")
            case "NOT":
                return Not(self._single(depth + 1))
            case "(":
                inner = self.either(depth + 1)
                if self.next != ")":
                    raise RuleError("')' is missing")
                self._at += 1
                return inner
        raise RuleError("it ends too early" if word is None else f"unexpected '{_shown(word)}'")
