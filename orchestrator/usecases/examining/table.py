"""What a check is, and how many are made: at the same time, each with an end."""

import enum
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from orchestrator.core.checkup import Checked, Group, Outcome
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.health import Finding, Severity

Examined = TypeVar("Examined")
Made = tuple[Checked, tuple[Finding, ...]]
_Answer = TypeVar("_Answer")

PATIENCE_SECONDS = 20.0
"""How long the checks of a group may take; whichever has not ended by then was not made."""


class MootError(Exception):
    """A check has nothing to say, and another one says why; no user ever sees this."""


class Where(enum.Enum):
    """For which environments a check is of use."""

    EVERYWHERE = enum.auto()
    LOCAL = enum.auto()
    REMOTE = enum.auto()


@dataclass(frozen=True, slots=True)
class Check(Generic[Examined]):
    """One thing that is looked at.

    Attributes:
        code: A stable slug.
        looks: At what, in one line.
        worst: The worst that it can find.
        examine: Returns what is wrong. An error of ours means that nobody could look.
        mends: Whether `--fix` can do something about what it finds.
    """

    code: str
    group: Group
    looks: str
    worst: Severity
    examine: Callable[[Examined], Iterable[Finding]]
    where: Where = Where.EVERYWHERE
    mends: bool = False


def fitting(checks: Sequence[Check[Examined]], *, local: bool) -> tuple[Check[Examined], ...]:
    """Return the checks that are of use in an environment."""
    wrong = Where.REMOTE if local else Where.LOCAL
    return tuple(check for check in checks if check.where is not wrong)


def make(
    checks: Sequence[Check[Examined]], examined: Examined, *, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[Made]:
    """Make all checks at the same time, and yield them in their order with what they have found."""
    deadline = time.monotonic() + patience_seconds
    for run in [_Run(check, examined) for check in checks]:
        yield run.ended(deadline, patience_seconds)


def unmade(checks: Sequence[Check[Examined]], cause: str = "") -> Iterator[Made]:
    """Yield checks that could not be made, since something that they need was not to be had."""
    for check in checks:
        yield _checked(check, Outcome.UNSEEN, cause), ()


class _Run(Generic[Examined]):
    """A check that is being made, in a thread that nobody waits for at the end."""

    def __init__(self, check: Check[Examined], examined: Examined) -> None:
        self._check = check
        self._answers: queue.SimpleQueue[tuple[Finding, ...] | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._make, args=(examined,), daemon=True).start()

    def _make(self, examined: Examined) -> None:
        try:
            self._answers.put(tuple(self._check.examine(examined)))
        except BaseException as error:  # noqa: BLE001 - whoever waits tells it
            self._answers.put(error)

    def ended(self, deadline: float, patience_seconds: float) -> Made:
        try:
            answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            cause = f"no answer within {patience_seconds:g} s"
            return _checked(self._check, Outcome.UNSEEN, cause), ()
        if isinstance(answer, MootError):
            return _checked(self._check, Outcome.UNSEEN, ""), ()
        if isinstance(answer, OrchestratorError):
            return _checked(self._check, Outcome.UNSEEN, one_line(answer)), ()
        if isinstance(answer, BaseException):
            return _checked(self._check, Outcome.UNSEEN, ""), (_mistake(self._check.code, answer),)
        outcome = Outcome.FOUND if answer else Outcome.FINE
        return _checked(self._check, outcome, ""), tuple(
            replace(finding, check=finding.check or self._check.code) for finding in answer
        )


def _mistake(code: str, error: BaseException) -> Finding:
    """Return that a check has ended as none should: it is said aloud, and the other checks are shown."""
    what = f"the orchestrator has made a mistake here: {type(error).__name__}: {error}".rstrip(": ")
    fix = "nothing was looked at here; send this line to us, with `orchestrator version`"
    return Finding(Severity.ERROR, f"check {code}", what, fix, check=code)


def one_line(error: OrchestratorError) -> str:
    """Return an error with AWS's own words, in one line."""
    words = [fact for label, fact in error.details if label in {"AWS", "cause"}]
    return "; ".join([str(error), *words])


def _checked(check: Check[Examined], outcome: Outcome, cause: str) -> Checked:
    return Checked(check.code, check.group, check.looks, outcome, cause)


class Once(Generic[_Answer]):
    """Something that several checks need, and that is asked for once; an error comes to all of them."""

    def __init__(self, ask: Callable[[], _Answer]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answers: list[_Answer] = []
        self._error: OrchestratorError | None = None

    def __call__(self) -> _Answer:
        """Return the answer.

        Raises:
            OrchestratorError: The one that it ended with.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._answers:
                try:
                    self._answers.append(self._ask())
                except OrchestratorError as error:
                    self._error = error
                    raise
            return self._answers[0]
