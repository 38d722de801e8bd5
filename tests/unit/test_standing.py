"""What stands and how it came there, in words: attempts without an end, and those that were gone on with."""

from orchestrator.cli import standing
from orchestrator.cli.options import Options
from orchestrator.core.journal import DEPLOY, Deployment
from orchestrator.core.lock import Claim, Process
from orchestrator.core.resources import Endpoint
from orchestrator.usecases.holding import Holder
from orchestrator.usecases.status import Status

OPEN = Deployment(7, DEPLOY, None, "arn:aws:iam::111111111111:user/ada", "why", "2026-10-01T10:00:00+00:00")


def test_an_attempt_without_an_end_names_the_command_that_gives_it_one_in_the_same_environment() -> None:
    told = standing.open_attempt(OPEN, "owl", Options(env="prod"))
    assert told == (
        "deploy #7 of 2026-10-01T10:00:00+00:00 has no end in the journal: "
        "orchestrator resume --endpoint owl --env prod"
    )


def test_history_says_how_often_an_attempt_was_gone_on_with() -> None:
    twice = Deployment(9, DEPLOY, None, "ada", "why", "2026-10-01T10:00:00+00:00", resumptions=2)
    assert [
        line.endswith("why; resumed 2 times") for line in standing.history([OPEN, twice]).splitlines()
    ] == [
        False,
        False,
        True,
    ]


def test_who_let_go_without_a_word_does_not_hold_the_endpoint_any_more() -> None:
    claim = Claim("arn:aws:iam::111111111111:user/ada", Process(), "deploy owl-1", "2026-10-01", 90.0, "n")
    for expired, told, held_by in ((False, "held", claim.owner), (True, "was held", None)):
        found = Status(Endpoint("owl", "owl-1"), None, None, holder=Holder(claim, 12.0, expired))
        rows = [line.partition("  ")[0] for line in standing.status(found, Options()).splitlines()]
        assert told in rows
        assert standing.status_document(found)["held_by"] == held_by
