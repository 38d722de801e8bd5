"""Asking golden cases: every one of them, of whom, and what the answers prove."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from orchestrator.core.errors import (
    ArtifactError,
    CloudError,
    ConflictError,
    DeniedError,
    MixedError,
    NotFoundError,
    OrchestratorError,
    SpecError,
    StillMovingError,
    UnhealthyError,
)
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.resources import AsyncInference, EndpointStatus, Variant
from orchestrator.core.results import Kind, Results, Subject
from orchestrator.core.revision import Revision
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.respondents import endpoint_serving
from orchestrator.usecases.testing import Respondent, ask_all, ask_one
from tests.support.fakes import FakeEdge, FakeRuntime, fake_edge
from tests.support.managed import Past, made, put, record, simple, stock

SEVEN = Case("seven", Request(b"7"), {"label": "7"})
ONE = Case("one", Request(b"1"), {"label": "1"})
REFUSED = Case("refused", Request(b"x"), status=415)
Answer = Callable[[str, Request], Response]
HERE = Subject(Kind.LOCAL, "digits")


def unwatched(case: str, number: int, total: int) -> None:
    pass


def ticking() -> Callable[[], float]:
    """Return a clock on which a quarter of a second passes between two looks."""
    moments = itertools.count()
    return lambda: next(moments) / 4


@contextlib.contextmanager
def answering(answer: Callable[[Case], Response], ended: list[str] | None = None) -> Iterator[Respondent]:
    """Yield a model on this machine, whose errors are known once it has ended."""
    log: list[str] = []
    yield Respondent(HERE, lambda case, _: answer(case), error_behind=lambda _: "".join(log))
    log.append("KeyError: 'a'")
    if ended is not None:
        ended.append("ended")


def asked_of(
    world: FakeEdge, *cases: Case, variant: str | None = None, answer: Answer | None = None
) -> Results:
    edge = replace(world.edge(), runtime=FakeRuntime(world.cloud, answer or world.answer))
    opened = endpoint_serving("digits", "prod", edge, variant)
    return ask_all(opened, cases, 0.0, world.clock.now, unwatched)


def serving(revision: Revision | None = None) -> FakeEdge:
    """Return a world whose endpoint serves a revision, which answers a seven and its fingerprint."""
    world, wanted = fake_edge(), revision or simple()
    put(world, wanted)
    world.fingerprints[wanted.name] = wanted.fingerprint
    return world


def test_every_case_is_asked_whatever_came_of_the_others() -> None:
    def answer(case: Case) -> Response:
        if case is ONE:
            raise ArtifactError("the model is gone", details=[("error", "refused")])
        return Response(200, b'{"label": "7"}')

    told: list[tuple[str, int, int]] = []
    done = ask_all(
        answering(answer),
        (ONE, SEVEN, replace(SEVEN, name="x", expected=1)),
        0.0,
        ticking(),
        lambda *what: told.append(what),
    )
    assert [one.problem for one in done.results] == [
        "no answer: the model is gone; refused",
        "",
        "body is {'label': '7'}, not 1 (KeyError: 'a')",
    ]
    assert [one.response is None for one in done.results] == [True, False, False]
    assert (done.passed, done.failed, done.seconds) == (1, 2, 0.75)
    assert told == [("one", 1, 3), ("seven", 2, 3), ("x", 3, 3)]


def test_what_would_be_the_same_with_every_case_ends_it_and_the_model() -> None:
    ended: list[str] = []

    @contextlib.contextmanager
    def denied() -> Iterator[Respondent]:
        try:
            with answering(lambda _: Response(200, b"")) as respondent:
                yield replace(respondent, answer=refuse)
        finally:
            ended.append("ended")

    def refuse(case: Case, variant: str | None) -> Response:
        raise DeniedError("not allowed")

    with pytest.raises(DeniedError):
        ask_all(denied(), (SEVEN,), 0.0, ticking(), unwatched)
    assert ended == ["ended"]


@pytest.mark.parametrize(("status", "body"), [(500, b"boom"), (503, b""), (0, b"too late")])
def test_a_failure_is_not_recorded(status: int, body: bytes) -> None:
    with pytest.raises(ArtifactError) as caught:
        ask_one(answering(lambda _: Response(status, body)), Request(b"{}"))
    assert ("error", "KeyError: 'a'") in caught.value.details


def test_an_answer_and_a_refusal_are_recorded() -> None:
    assert ask_one(answering(lambda _: Response(200, b"1")), Request(b"{}")).body == b"1"
    assert ask_one(answering(lambda _: Response(415, b"no")), Request(b"{}")).status == 415


def test_the_answers_of_what_was_deployed_are_recognised() -> None:
    wanted = simple()
    done = asked_of(serving(wanted), SEVEN)
    assert (done.failed, done.recognised, done.notes) == (0, True, ())
    assert done.subject == Subject(
        Kind.REMOTE, "digits", wanted.artifact, wanted.name, "prod", wanted.fingerprint
    )


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        ("b" * 16, f"the answer carries the fingerprint {'b' * 16}, not"),
        (None, "the answer carries no finger"),
    ],
)
def test_right_answers_of_another_model_do_not_pass(carried: str | None, said: str) -> None:
    wanted, world = simple(), serving()
    if carried is None:
        del world.fingerprints[wanted.name]
    else:
        world.fingerprints[wanted.name] = carried
    done = asked_of(world, SEVEN)
    assert done.results[0].problem.startswith(said)
    assert done.recognised is False


def test_after_a_rollback_it_is_the_earlier_model_that_has_to_answer() -> None:
    world, first, second = serving(simple("a")), simple("a"), simple("b")
    stock(world, second)
    record(world, second, Past(outcome="rolled-back"))
    record(world, first, Past(verb="rollback"))
    assert asked_of(world, SEVEN).recognised is True


def test_an_error_that_is_wanted_carries_no_fingerprint_and_proves_nothing() -> None:
    done = asked_of(serving(), REFUSED, answer=lambda *_: Response(415, b"no"))
    assert (done.failed, done.recognised) == (0, None)


def test_what_the_journal_does_not_know_is_asked_and_said() -> None:
    world, wanted = fake_edge(), simple()
    put(world, wanted, Past(outcome="rolled-back"))
    done = asked_of(world, SEVEN)
    assert (done.failed, done.recognised, done.subject.identity) == (0, None, "")
    assert done.notes == ("no fingerprint is known: the journal does not say which archive serves",)


def test_asynchronous_answers_are_waited_for_and_carry_nothing() -> None:
    fleet = EndpointSpec(
        variants=(Variant("primary", "", "ml.m5.large", 1),),
        async_inference=AsyncInference("s3://bucket/out"),
    )
    world = serving(made("a", fleet))
    done = asked_of(world, SEVEN)
    assert (done.failed, done.recognised) == (0, None)
    assert done.notes[0].startswith("asynchronous answers carry no fingerprint")
    with pytest.raises(SpecError, match="can't choose its variant"):
        asked_of(world, SEVEN, variant="primary")


def test_all_variants_that_serve_the_model_are_asked_and_others_when_they_are_named() -> None:
    variants = tuple(
        Variant(name, model, "ml.m5.large", 1) for name, model in (("a", ""), ("b", ""), ("c", "x"))
    )
    world = serving(made("a", EndpointSpec(variants=variants)))
    assert [one.name for one in asked_of(world, SEVEN).results] == ["seven (a)", "seven (b)"]
    assert [one.name for one in asked_of(world, SEVEN, variant="b").results] == ["seven (b)"]
    other = asked_of(world, SEVEN, variant="c")
    assert (other.subject.fingerprint, other.recognised) == ("", None)
    assert other.notes[0].startswith("no fingerprint is known: the variant serves another model")
    with pytest.raises(SpecError, match="no variant 'd'") as caught:
        asked_of(world, SEVEN, variant="d")
    assert caught.value.details == (("known", "a, b, c"),)


def test_where_no_variant_serves_the_model_all_are_asked_and_it_is_said() -> None:
    variants = tuple(Variant(name, "x", "ml.m5.large", 1) for name in ("a", "b"))
    done = asked_of(serving(made("a", EndpointSpec(variants=variants))), SEVEN)
    assert [one.name for one in done.results] == ["seven (a)", "seven (b)"]
    assert (done.subject.fingerprint, done.recognised) == ("", None)
    assert done.notes[0].startswith("no fingerprint is known: the variant serves another model")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (EndpointStatus.CREATING, StillMovingError),
        (EndpointStatus.UPDATING, StillMovingError),
        (EndpointStatus.ROLLING_BACK, StillMovingError),
        (EndpointStatus.DELETING, StillMovingError),
        (EndpointStatus.FAILED, UnhealthyError),
        (EndpointStatus.OUT_OF_SERVICE, UnhealthyError),
        (EndpointStatus.UPDATE_ROLLBACK_FAILED, MixedError),
    ],
)
def test_what_does_not_serve_one_revision_is_not_asked(
    status: EndpointStatus, kind: type[OrchestratorError]
) -> None:
    world = serving()
    world.cloud.endpoints["digits"] = replace(world.cloud.endpoints["digits"], status=status)
    with pytest.raises(kind):
        asked_of(world, SEVEN)


def test_an_endpoint_or_a_config_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError, match="no endpoint 'digits'"):
        asked_of(fake_edge(), SEVEN)
    world = serving()
    world.cloud.configs.clear()
    with pytest.raises(NotFoundError, match="is gone"):
        asked_of(world, SEVEN)


@dataclass
class Sabotage:
    """Answers, and moves the endpoint meanwhile."""

    world: FakeEdge
    to: str | None

    def __call__(self, config: str, request: Request) -> Response:
        if self.to is None:
            del self.world.cloud.endpoints["digits"]
        else:
            seen = self.world.cloud.endpoints["digits"]
            self.world.cloud.endpoints["digits"] = replace(seen, config=self.to)
        return Response(200, b'{"label": "7"}', simple().fingerprint)


@pytest.mark.parametrize("to", ["digits-other", None])
def test_an_endpoint_that_is_changed_meanwhile_has_proved_nothing(to: str | None) -> None:
    world = serving()
    with pytest.raises(ConflictError, match="was changed while it was asked"):
        asked_of(world, SEVEN, answer=Sabotage(world, to))


def test_a_call_that_fails_is_the_cases_own_matter() -> None:
    world = serving()
    world.refusal = CloudError("invoking endpoint 'digits': it is busy")
    done = asked_of(world, SEVEN, ONE)
    assert [one.problem for one in done.results] == ["no answer: invoking endpoint 'digits': it is busy"] * 2
