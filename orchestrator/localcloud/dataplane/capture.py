"""Data capture: requests and answers of an endpoint, as lines of JSON in S3.

Below the destination, in ``ENDPOINT/VARIANT/yyyy/mm/dd/hh/``: the hour, in UTC, in which the request came.
AWS delivers within some minutes, the local cloud within some seconds. Form of the lines: SageMaker developer
guide, model-monitor-data-capture. Requests that the model refused, answers in parts and what shadows answer
are not captured: nobody says whether AWS does.
"""

import base64
import contextlib
import datetime as dt
import json
import logging
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.batches import Batches
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.dataplane.admission import PREFIX
from orchestrator.localcloud.dataplane.runtime import Exchange
from orchestrator.localcloud.fleets.exchange import Headers
from orchestrator.localcloud.rules.deployments import captures
from orchestrator.localcloud.world import Content, Scope

_PERCENT = 100
_INPUT, _OUTPUT = "INPUT", "OUTPUT"
_MODES = {"Input": {_INPUT}, "Output": {_OUTPUT}, "InputAndOutput": {_INPUT, _OUTPUT}}
_MEMBERS = {"CSV": "CsvContentTypes", "JSON": "JsonContentTypes"}


@dataclass(frozen=True, slots=True)
class File:
    """Where lines go: those of one destination, endpoint, variant and hour lie in one file."""

    scope: Scope
    bucket: str
    folder: str
    kms_key: str


class Capture:
    """Collects what is to be captured, and writes it about once a second.

    Args:
        clients: For S3.
        chance: Chooses the part of the requests that is captured.
    """

    def __init__(self, clients: Clients, chance: random.Random) -> None:
        self._clients = clients
        self._chance = chance
        self._batches = Batches(self._write)

    def take(self, exchange: Exchange) -> None:
        """Capture a request and its answer, if the endpoint config asks for it and chance is for it."""
        content = exchange.share.deployment.content
        if not chosen(content, self._chance):
            return
        config = content["DataCaptureConfig"]
        captured = json.dumps(line(config, exchange, str(uuid.uuid4())), separators=(",", ":"))
        self._batches.add((place_of(config, exchange), exchange.at, captured))

    async def close(self) -> None:
        """Write what waits, at once."""
        await self._batches.close()

    def _write(self, waiting: Sequence[tuple[File, float, str]]) -> None:
        groups: dict[File, list[tuple[float, str]]] = {}
        for file, at, captured in waiting:
            groups.setdefault(file, []).append((at, captured))
        for file, lines in groups.items():
            self._write_file(file, lines)

    def _write_file(self, file: File, lines: Sequence[tuple[float, str]]) -> None:
        began = dt.datetime.fromtimestamp(lines[0][0], dt.UTC)
        name = f"{began:%M-%S}-{began.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": file.kms_key} if file.kms_key else {}
        try:
            self._clients.client("s3", file.scope).put_object(
                Bucket=file.bucket,
                Key=f"{file.folder}/{name}",
                Body="".join(f"{captured}\n" for _, captured in lines).encode(),
                **encrypted,
            )
        except (ClientError, BotoCoreError):
            # Requests are answered whether or not somebody can write them down.
            logging.getLogger(__name__).exception("captured data for %s is lost", file.folder)


def chosen(content: Content, chance: random.Random) -> bool:
    """Tell whether a request to an endpoint of this endpoint config is captured."""
    if not captures(content):
        return False
    percent: int = content["DataCaptureConfig"]["InitialSamplingPercentage"]
    return chance.random() * _PERCENT < percent


def place_of(config: Content, exchange: Exchange) -> File:
    """Return where a captured request goes."""
    destination = urlsplit(config["DestinationS3Uri"])
    hour = dt.datetime.fromtimestamp(exchange.at, dt.UTC)
    parts = [
        destination.path.strip("/"),
        exchange.place.endpoint,
        exchange.share.variant.name,
        f"{hour:%Y/%m/%d/%H}",
    ]
    folder = "/".join(filter(None, parts))
    return File(exchange.place.scope, destination.netloc, folder, config.get("KmsKeyId", ""))


def line(config: Content, exchange: Exchange, event_id: str) -> Mapping[str, Any]:
    """Return what is captured of a request and its answer."""
    asked = set().union(*(_MODES[option["CaptureMode"]] for option in config["CaptureOptions"]))
    types = config.get("CaptureContentTypeHeader", {})
    captured: dict[str, Any] = {}
    if _INPUT in asked:
        captured["endpointInput"] = _captured(types, _INPUT, exchange.headers, exchange.body)
    if _OUTPUT in asked:
        captured["endpointOutput"] = _captured(types, _OUTPUT, exchange.answer.headers, exchange.answer.body)
    sent = dict(exchange.headers)
    about: dict[str, Any] = {"eventId": event_id}
    if inference_id := sent.get(f"{PREFIX}inference-id"):
        about["inferenceId"] = inference_id
    if attributes := sent.get(f"{PREFIX}custom-attributes"):
        about["customAttributes"] = [attributes]
    about["inferenceTime"] = f"{dt.datetime.fromtimestamp(exchange.at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"captureData": captured, "eventMetadata": about, "eventVersion": "0"}


def _captured(types: Content, mode: str, headers: Headers, body: bytes) -> Mapping[str, Any]:
    kind = dict(headers).get("content-type", "")
    encoding, data = _encoded(types, kind, body)
    return {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}


def _encoded(types: Content, kind: str, body: bytes) -> tuple[str, str]:
    """Return a body as text where its content type is listed and it is text, and in base64 otherwise."""
    plain = kind.partition(";")[0].strip().lower()
    for encoding, member in _MEMBERS.items():
        if plain in {listed.partition(";")[0].strip().lower() for listed in types.get(member, ())}:
            with contextlib.suppress(UnicodeDecodeError):
                return encoding, body.decode()
    return "BASE64", base64.b64encode(body).decode()
