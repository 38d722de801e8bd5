"""Answers in parts from the local cloud, through plain boto3."""

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("streaming") / "state", STANDIN) as running:
        for name in ("parts", "moved", "moved-2"):
            publish(running, name, archive({"answer": name.encode()}))
        for name in ("parts", "moved"):
            running.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
        for name in ("parts", "moved"):
            await_settled(running, name)
        yield running


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    made = tmp_path / "pipe"
    os.mkfifo(made)
    return made


def stream(cloud: TestCloud, wanted: str, name: str = "parts", **members: Any) -> Any:  # noqa: ANN401 - boto3 has no types
    return cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=name, Body=b"x" * 10, CustomAttributes=wanted, ContentType="a/b", **members
    )


def parts(events: Any) -> Generator[bytes, None, None]:  # noqa: ANN401 - boto3 has no types
    with contextlib.closing(events):
        for event in events:
            yield event["PayloadPart"]["Bytes"]


def test_a_part_comes_while_the_model_still_works_on_the_next_one(cloud: TestCloud, pipe: Path) -> None:
    answer = stream(cloud, f"drip={pipe}")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("a/b", "primary")
    assert answer["CustomAttributes"] == "parts"
    received = parts(answer["Body"])
    assert next(received) == b"begun"
    # Only now can the model go on.
    pipe.write_bytes(b" and ended")
    assert b"".join(received) == b" and ended"


def test_a_streamed_answer_outlives_the_update(cloud: TestCloud, pipe: Path) -> None:
    received = parts(stream(cloud, f"drip={pipe}", "moved")["Body"])
    assert next(received) == b"begun"
    cloud.client("sagemaker").update_endpoint(EndpointName="moved", EndpointConfigName="moved-2")
    await_settled(cloud, "moved")
    second = stream(cloud, "echo", "moved")
    assert list(parts(second["Body"])) == [b"x" * 10]
    assert second["CustomAttributes"] == "moved-2"
    pipe.write_bytes(b"kept")
    assert list(received) == [b"kept"]


def test_an_answer_in_one_piece_is_a_stream_as_well(cloud: TestCloud) -> None:
    assert b"".join(parts(stream(cloud, "echo")["Body"])) == b"x" * 10


def test_the_accepted_type_reaches_the_container_under_its_own_name(cloud: TestCloud) -> None:
    seen = b"".join(parts(stream(cloud, "headers", Accept="c/d")["Body"]))
    assert b'"accept": "c/d"' in seen
    assert b"x-amzn-sagemaker-accept" not in seen


def test_what_the_model_refuses_is_an_error_before_the_stream(cloud: TestCloud) -> None:
    with pytest.raises(ClientError) as caught:
        stream(cloud, "status=503")
    response = caught.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == 503
    assert response["OriginalMessage"] == "x" * 10


def test_an_endpoint_that_is_not_there_is_an_error_before_the_stream(cloud: TestCloud) -> None:
    with pytest.raises(ClientError, match=r"Endpoint nobody of account .* not found") as caught:
        stream(cloud, "echo", name="nobody")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_what_breaks_off_in_the_middle_is_an_error_after_the_parts_that_came(cloud: TestCloud) -> None:
    received = parts(stream(cloud, "break")["Body"])
    assert next(received) == b"begun"
    with pytest.raises(EventStreamError, match="The connection to the model was closed") as caught:
        next(received)
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
