"""What data capture writes down of a request and its answer."""

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.localcloud.dataplane.capture import File, chosen, line, place_of
from orchestrator.localcloud.dataplane.runtime import Exchange
from orchestrator.localcloud.dataplane.traffic import Share
from orchestrator.localcloud.fleets.exchange import Answer
from orchestrator.localcloud.fleets.fleet import ProcessFleet
from orchestrator.localcloud.world import Deployment, Place, Scope, Variant

SCOPE = Scope("123456789012", "eu-west-1")
VARIANT = Variant("primary", {}, "ml.m5.large", 1, 1.0, 60.0)
# 2022-02-14T17:25:06Z
AT = 1_644_859_506.75
CONFIG: Mapping[str, Any] = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 30,
    "DestinationS3Uri": "s3://data/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


class NoFleet(ProcessFleet):
    """Nobody is asked."""

    def __init__(self) -> None:
        self.variant = VARIANT


def exchange(
    body: bytes = b"50,0,188.9\n", kind: str = "text/csv", answer: bytes = b"0.023", **headers: str
) -> Exchange:
    deployment = Deployment("c", (VARIANT,), None, 0.0, {"DataCaptureConfig": CONFIG})
    sent = [("content-type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())]
    answered = Answer(200, (("content-type", "text/csv; charset=utf-8"),), answer)
    share = Share(NoFleet(), VARIANT, deployment)
    return Exchange(Place(SCOPE, "digits"), share, sent, body, answered, AT)


def test_a_line_has_the_form_that_model_monitor_reads() -> None:
    sent = exchange(x_amzn_sagemaker_inference_id="row-7", x_amzn_sagemaker_custom_attributes="caller=a")
    assert line(CONFIG, sent, "event") == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "50,0,188.9\n",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": "0.023",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {
            "eventId": "event",
            "inferenceId": "row-7",
            "customAttributes": ["caller=a"],
            "inferenceTime": "2022-02-14T17:25:06Z",
        },
        "eventVersion": "0",
    }


def test_what_the_caller_did_not_send_is_left_out() -> None:
    assert set(line(CONFIG, exchange(), "event")["eventMetadata"]) == {"eventId", "inferenceTime"}


@pytest.mark.parametrize(
    ("modes", "members"),
    [
        (("Input",), {"endpointInput"}),
        (("Output",), {"endpointOutput"}),
        (("InputAndOutput",), {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_the_sides_that_were_asked_for_are_captured(modes: tuple[str, ...], members: set[str]) -> None:
    config = {**CONFIG, "CaptureOptions": [{"CaptureMode": mode} for mode in modes]}
    assert set(line(config, exchange(), "event")["captureData"]) == members


@pytest.mark.parametrize(
    ("kind", "body", "encoding", "data"),
    [
        ("text/csv", b"1,2", "CSV", "1,2"),
        ("Text/CSV; header=absent", b"1,2", "CSV", "1,2"),
        ("application/json", b'{"a": 1}', "JSON", '{"a": 1}'),
        ("application/x-npy", b"\x93NUMPY", "BASE64", "k05VTVBZ"),
        ("text/csv", b"\xff\xfe", "BASE64", "//4="),
        ("", b"1,2", "BASE64", "MSwy"),
    ],
)
def test_a_body_is_text_where_its_content_type_is_listed_and_base64_elsewhere(
    kind: str, body: bytes, encoding: str, data: str
) -> None:
    captured = line(CONFIG, exchange(body, kind), "event")["captureData"]["endpointInput"]
    assert (captured["encoding"], captured["data"]) == (encoding, data)


def test_without_lists_everything_is_base64() -> None:
    config = {key: value for key, value in CONFIG.items() if key != "CaptureContentTypeHeader"}
    captured = line(config, exchange(), "event")["captureData"]
    assert {side["encoding"] for side in captured.values()} == {"BASE64"}


def test_lines_lie_below_the_utc_hour_of_the_request() -> None:
    folder = "captured/digits/primary/2022/02/14/17"
    assert place_of(CONFIG, exchange()) == File(SCOPE, "data", folder, "")
    bare = {**CONFIG, "DestinationS3Uri": "s3://data", "KmsKeyId": "alias/k"}
    assert place_of(bare, exchange()) == File(SCOPE, "data", folder.removeprefix("captured/"), "alias/k")


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (30, 550, 650), (100, 2000, 2000)])
def test_the_percentage_is_the_part_that_is_captured(percent: int, least: int, most: int) -> None:
    chance = random.Random(5)  # noqa: S311 - the same requests each time
    content = {"DataCaptureConfig": {**CONFIG, "InitialSamplingPercentage": percent}}
    assert least <= sum(chosen(content, chance) for _ in range(2000)) <= most


def test_a_capture_that_is_off_captures_nothing() -> None:
    chance = random.Random(5)  # noqa: S311 - the same requests each time
    off = {**CONFIG, "InitialSamplingPercentage": 100, "EnableCapture": False}
    assert not chosen({"DataCaptureConfig": off}, chance)
    assert not chosen({}, chance)


def test_a_line_is_one_line() -> None:
    assert "\n" not in json.dumps(line(CONFIG, exchange(b"1\n2\n"), "event"))
