"""What transform jobs need of the outside, in memory: S3, logs and a fleet that answers by a function."""

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.transforms.running import Transforms
from orchestrator.localcloud.world import Content, Place, Record, Scope, TransformJob, Variant, World
from orchestrator.localcloud.worlds import Worlds

SCOPE = Scope("123456789012", "eu-west-1")
MODEL = "digits"
Reply = Callable[[bytes], tuple[int, bytes]]
"""Returns the status and the body of the answer to a request."""


def known() -> World:
    """Return a world with one model that can transform."""
    container = {"Image": "registry/image:1", "ModelDataUrl": "s3://models/digits/model.tar.gz"}
    return World(SCOPE, {MODEL: Record(MODEL, {"PrimaryContainer": container}, 1.0)})


def request(name: str = "job", **members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a CreateTransformJob request; ``Input`` and ``Output`` add to those of transform and S3."""
    sent, written = members.pop("Input", {}), members.pop("Output", {})
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/", **members.pop("Source", {})}
    return {
        "TransformJobName": name,
        "ModelName": MODEL,
        "TransformInput": {"DataSource": {"S3DataSource": source}, "SplitType": "Line", **sent},
        "TransformOutput": {"S3OutputPath": "s3://b/out", "AssembleWith": "Line", **written},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


class MemoryS3:
    """Objects by bucket and key, as far as a transform job asks for them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.arguments: dict[str, dict[str, str]] = {}

    def get_paginator(self, operation: str) -> "MemoryS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        start = f"{asked['Bucket']}/"
        keys = sorted(name.removeprefix(start) for name in self.objects if name.startswith(start))
        yield {"Contents": [{"Key": key} for key in keys if key.startswith(asked["Prefix"])]}

    def get_object(self, **asked: str) -> dict[str, Any]:
        name = f"{asked['Bucket']}/{asked['Key']}"
        if name not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[name])}

    def upload_fileobj(self, content: BinaryIO, bucket: str, key: str, **options: Any) -> None:  # noqa: ANN401 - boto3 has no types
        if bucket == "missing":
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "no such bucket"}}, "PutObject")
        self.objects[f"{bucket}/{key}"] = content.read()
        self.arguments[f"{bucket}/{key}"] = options["ExtraArgs"]


class MemoryLogs:
    """Log lines by stream."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}

    def create_log_group(self, **asked: str) -> None:
        pass

    def create_log_stream(self, **asked: str) -> None:
        self.lines[asked["logStreamName"]] = []

    def put_log_events(self, **asked: Any) -> None:  # noqa: ANN401 - boto3 has no types
        self.lines[asked["logStreamName"]] += [event["message"] for event in asked["logEvents"]]


class MemoryClients(Clients):
    """The two services that a transform job asks."""

    def __init__(self) -> None:
        self.s3, self.logs = MemoryS3(), MemoryLogs()

    def client(self, service: str, scope: Scope) -> Any:  # noqa: ANN401 - boto3 has no types
        return {"s3": self.s3, "logs": self.logs}[service]


class ReplyingFleet:
    """A fleet whose answers are those of a function.

    Attributes:
        asked: The bodies it got, in their order.
        most: How many requests it answered at a time at most.
        together: How many requests wait for each other before the first of them is answered.
        begun: Set with the first request.
    """

    def __init__(self, variant: Variant, reply: Reply, together: int) -> None:
        self.variant = variant
        self.answering = 0
        self.count = 1
        self.instances = ()
        self.asked: list[bytes] = []
        self.headers: Headers = ()
        self.most = 0
        self.parameters = (404, b"")
        self.stopped = False
        self.begun = asyncio.Event()
        self._enough = asyncio.Event()
        self._together = together
        self._reply = reply

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        self.asked.append(body)
        self.headers = headers
        self.answering += 1
        self.most = max(self.most, self.answering)
        try:
            self.begun.set()
            if self.answering >= self._together:
                self._enough.set()
            await self._enough.wait()
            # Later requests are answered first.
            for _ in range(20 - len(self.asked) % 20):
                await asyncio.sleep(0)
            status, content = self._reply(body)
            yield Streamed(status, (), _parts(content))
        finally:
            self.answering -= 1

    async def look(self, path: str) -> Answer:
        status, body = self.parameters
        assert path == "/execution-parameters"
        return Answer(status, (), body)

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        self.count = count

    async def stop(self, *, drain: bool) -> None:
        self.stopped = True


async def _parts(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


class Bench:
    """A place where transform jobs run, and what can be seen of them.

    Args:
        folder: An empty one.
        reply: Answers for the model.
        together: How many requests wait for each other before the first of them is answered.
        failure: Why no fleet comes up, if none does.
    """

    def __init__(
        self, folder: Path, reply: Reply, together: int = 1, failure: FleetError | None = None
    ) -> None:
        self.worlds, self.clients = Worlds(), MemoryClients()
        self.worlds.put(known())
        self.fleets: list[ReplyingFleet] = []
        self.groups: list[str] = []
        self.waits: list[float] = []
        self.folder = folder
        self.launched = asyncio.Event()
        self._reply = reply
        self._together = together
        self._failure = failure
        self.transforms = Transforms(
            self.worlds, self._launch, self.clients, Pace(lambda: 100.0, self._sleep), folder
        )

    @property
    def objects(self) -> dict[str, bytes]:
        return self.clients.s3.objects

    @property
    def said(self) -> list[str]:
        """The data log, without what stands before the message."""
        lines = [line for each in self.clients.logs.lines.values() for line in each]
        return [line.partition("[sagemaker logs]: ")[2] for line in lines]

    def job(self, name: str = "job") -> TransformJob:
        return self.worlds.at(SCOPE).transforms[name]

    def create(self, **members: Any) -> None:  # noqa: ANN401 - JSON
        self._call("CreateTransformJob", request(**members))
        self.transforms.begin(SCOPE, request(**members))

    def stop(self) -> None:
        asked = {"TransformJobName": "job"}
        self._call("StopTransformJob", asked)
        self.transforms.stop(SCOPE, asked)

    async def over(self, name: str = "job") -> TransformJob:
        """Return the job once it has ended."""
        ended = asyncio.Event()

        def look(_: World, after: World) -> None:
            if after.transforms[name].ended is not None:
                ended.set()

        self.worlds.subscribe(look)
        look(known(), self.worlds.at(SCOPE))
        await ended.wait()
        return self.job(name)

    def _call(self, operation: str, asked: Content) -> None:
        self.worlds.put(perform(self.worlds.at(SCOPE), operation, check(operation, asked), 50.0).world)

    async def _launch(self, place: Place, variant: Variant, *, group: str) -> Fleet:
        if self._failure is not None:
            raise self._failure
        self.groups.append(group)
        self.fleets.append(ReplyingFleet(variant, self._reply, self._together))
        self.launched.set()
        return cast("Fleet", self.fleets[-1])

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def echo(body: bytes) -> tuple[int, bytes]:
    return 200, body


def refusing(*bodies: bytes, status: int) -> Reply:
    """Return what echoes all requests but those in which one of ``bodies`` is."""

    def reply(body: bytes) -> tuple[int, bytes]:
        return (status, b"no\nway") if any(each in body for each in bodies) else (200, body)

    return reply


def replies(answers: Sequence[tuple[int, bytes]]) -> Reply:
    """Return what answers requests one after the other."""
    left = iter(answers)
    return lambda _: next(left)
