"""What S3's answers about one small object mean: 409, 412, 404, and how old it is by S3's own clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.core.errors import DeniedError, NotFoundError, ThrottledError

WRITTEN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


class Answers:
    """A client of S3 that answers as it was told, one call after another."""

    def __init__(self, *answers: Any) -> None:  # noqa: ANN401 - boto3's answers have no types
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:  # noqa: ANN401 - as above
            self.asked.append({"operation": operation, **arguments})
            answer = self._answers.pop(0)
            if isinstance(answer, str):
                raise ClientError({"Error": {"Code": answer, "Message": answer}}, operation)
            return answer

        return call


def slot(answers: Answers, **options: str) -> S3Slot:
    return S3Slot(Bucket(lambda _: answers, "models", **options), "lock")


def held(date: str | None) -> dict[str, Any]:
    headers = {} if date is None else {"date": date}
    return {
        "Body": BytesIO(b"claim"),
        "ETag": '"1"',
        "LastModified": WRITTEN,
        "ResponseMetadata": {"HTTPHeaders": headers},
    }


def test_an_objects_age_is_between_two_moments_of_the_same_answer() -> None:
    found = slot(Answers(held("Sun, 22 Nov 2026 12:01:30 GMT"))).read()
    assert found is not None
    assert found.age_seconds == 90.0


@pytest.mark.parametrize("date", [None, "Sun, 22 Nov 2026 11:59:59 GMT"])
def test_an_object_whose_age_nobody_can_tell_is_new(date: str | None) -> None:
    found = slot(Answers(held(date))).read()
    assert found is not None
    assert found.age_seconds == 0.0


def test_a_write_that_another_one_races_is_asked_again() -> None:
    answers = Answers("ConditionalRequestConflict", "409", {"ETag": '"2"'})
    assert slot(answers).write(b"claim", over='"1"') == '"2"'
    assert [asked["IfMatch"] for asked in answers.asked] == ['"1"'] * 3


def test_a_race_that_the_other_one_has_won_writes_nothing() -> None:
    assert (
        slot(Answers("ConditionalRequestConflict", "PreconditionFailed")).write(b"claim", over=None) is None
    )


def test_a_race_without_an_end_is_said_to_be_one() -> None:
    with pytest.raises(ThrottledError, match="another write is in the way"):
        slot(Answers(*["ConditionalRequestConflict"] * 10)).write(b"claim", over=None)


def test_writing_over_what_is_gone_and_clearing_it_do_nothing() -> None:
    # AWS answers a conditional write of a key that does not exist with 404, not with 412.
    assert slot(Answers("NoSuchKey")).write(b"claim", over='"1"') is None
    assert not slot(Answers("NoSuchKey")).clear('"1"')
    assert not slot(Answers("PreconditionFailed")).clear('"1"')
    assert slot(Answers("ConditionalRequestConflict", {})).clear('"1"')


def test_a_bucket_that_is_not_there_is_no_empty_slot() -> None:
    assert slot(Answers("NoSuchKey")).read() is None
    with pytest.raises(NotFoundError):
        slot(Answers("NoSuchBucket")).read()
    with pytest.raises(NotFoundError):
        slot(Answers("NoSuchBucket")).write(b"claim", over=None)


def test_what_is_not_permitted_is_said() -> None:
    with pytest.raises(DeniedError):
        slot(Answers("AccessDenied")).read()
    with pytest.raises(DeniedError):
        slot(Answers("AccessDenied")).write(b"claim", over=None)


def test_a_write_is_encrypted_and_names_the_buckets_owner() -> None:
    answers = Answers({"ETag": '"2"'})
    slot(answers, kms_key="key", owner="123456789012").write(b"claim", over=None)
    (asked,) = answers.asked
    assert asked["IfNoneMatch"] == "*"
    assert asked["SSEKMSKeyId"] == "key"
    assert asked["ExpectedBucketOwner"] == "123456789012"
