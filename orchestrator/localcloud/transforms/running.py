"""Transform jobs under way: a fleet of their own, their objects one after the other, and an end."""

import asyncio
import contextlib
import datetime as dt
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.fleets.containerlog import ContainerLog, Stream
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.transforms import jobs
from orchestrator.localcloud.transforms.capturing import manifests, stamping
from orchestrator.localcloud.transforms.depot import Depot
from orchestrator.localcloud.transforms.errors import Blame, TransformError
from orchestrator.localcloud.transforms.invoking import Asking, Parameters, look, parameters, variables
from orchestrator.localcloud.transforms.joining import processing
from orchestrator.localcloud.transforms.sources import UNREADABLE, Source
from orchestrator.localcloud.transforms.transforming import Transforming
from orchestrator.localcloud.world import Content, Place, Scope, TransformJob, Variant
from orchestrator.localcloud.worlds import Worlds

GROUP = "/aws/sagemaker/TransformJobs"
"""The log group of all transform jobs: developer guide, logging-cloudwatch."""

# As for endpoints: developer guide, your-algorithms-inference-code.
_START_SECONDS = 480.0
_NO_PING = (
    "AlgorithmError: Model container failed to respond to ping. Please ensure /ping endpoint is implemented "
    "and responds with an HTTP 200 status code"
)
_INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_SEE_LOGS = "See job logs for more information"


class Launch(Protocol):
    """Starts the fleet of a job, or raises `FleetError`."""

    def __call__(self, place: Place, variant: Variant, *, group: str) -> Awaitable[Fleet]:
        """Return it once it answers."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is being carried out, with what its parts need of each other."""

    scope: Scope
    job: TransformJob
    depot: Depot
    fleet: Fleet
    parameters: Parameters
    log: ContainerLog
    clock: Callable[[], float]

    def say(self, *lines: str) -> None:
        """Write to the job's data log, in the form of aws/amazon-sagemaker-examples#1620."""
        moment = dt.datetime.fromtimestamp(self.clock(), dt.UTC).replace(tzinfo=None)
        for line in lines:
            self.log.write(f"{moment.isoformat(timespec='milliseconds')}:[sagemaker logs]: {line}")


class Transforms:
    """Carries out transform jobs in the background.

    Args:
        worlds: Where their statuses are.
        launch: Starts fleets.
        clients: For S3 and the logs.
        pace: What pauses go by, and the clock.
        folder: Where outputs are until a job has ended.
    """

    def __init__(self, worlds: Worlds, launch: Launch, clients: Clients, pace: Pace, folder: Path) -> None:
        self._worlds = worlds
        self._launch = launch
        self._clients = clients
        self._pace = pace
        self._folder = folder
        self._tasks: dict[tuple[Scope, str], asyncio.Task[None]] = {}
        self._closed = False

    @property
    def after(self) -> Mapping[str, Callable[[Scope, Content], None]]:
        """What follows on operations of the API."""
        return {"CreateTransformJob": self.begin, "StopTransformJob": self.stop}

    def begin(self, scope: Scope, request: Content) -> None:
        """Begin to carry out the job that was just made.

        Raises:
            ApiError: If the local cloud is about to end.
        """
        if self._closed:
            raise ApiError("ServiceShuttingDown", "the local cloud is about to end")
        name = request["TransformJobName"]
        task = asyncio.create_task(self._carry_out(scope, name))
        self._tasks[scope, name] = task
        task.add_done_callback(lambda done: self._over(scope, name, done))

    def stop(self, scope: Scope, request: Content) -> None:
        """Give up a job; it is stopped once its fleet has ended."""
        task = self._tasks.get((scope, request["TransformJobName"]))
        # A second request to stop it must not cut short what the first has begun.
        if task is not None and not task.cancelling():
            task.cancel()

    async def close(self) -> None:
        """Give up all jobs, and end their fleets."""
        self._closed = True
        tasks = tuple(self._tasks.values())
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, scope: Scope, name: str, task: asyncio.Task[None]) -> None:
        """Forget a job; one that broke for a reason that nobody thought of fails, as AWS's do."""
        self._tasks.pop((scope, name), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logging.getLogger(__name__).error("transform job %s broke", name, exc_info=error)
            self._end(scope, name, jobs.FAILED, _INTERNAL)

    async def _carry_out(self, scope: Scope, name: str) -> None:
        try:
            reason = await self._reason(scope, self._worlds.at(scope).transforms[name])
        except asyncio.CancelledError:
            if self._worlds.at(scope).transforms[name].status != jobs.STOPPING:
                raise
            self._end(scope, name, jobs.STOPPED, "")
        else:
            self._end(scope, name, jobs.FAILED if reason else jobs.COMPLETED, reason)

    async def _reason(self, scope: Scope, job: TransformJob) -> str:
        """Carry out a job, and return why it failed, if it did."""
        self._worlds.put(jobs.started(self._worlds.at(scope), job.name, self._pace.clock()))
        try:
            async with self._running(scope, job) as running:
                return await self._transformed(running)
        except FleetError as error:
            return f"{Blame.CLIENT}: {error.reason}" if error.reason else _NO_PING

    @contextlib.asynccontextmanager
    async def _running(self, scope: Scope, job: TransformJob) -> AsyncIterator[Job]:
        fleet = await self._launch(Place(scope, job.name), _variant(job), group=GROUP)
        try:
            names = [instance.name for instance in fleet.instances[:1]] or ["i-0"]
            stream = Stream(scope, GROUP, f"{job.name}/{names[0]}/data-log")
            log = ContainerLog(self._clients, stream, self._pace.clock)
            agreed = parameters(job.content, await look(fleet))
            depot = Depot(self._clients.client("s3", scope), job.content)
            try:
                yield Job(scope, job, depot, fleet, agreed, log, self._pace.clock)
            finally:
                await log.close()
        finally:
            await fleet.stop(drain=False)

    async def _transformed(self, running: Job) -> str:
        running.say(str(running.parameters))
        try:
            sources = await asyncio.to_thread(running.depot.sources)
        except TransformError as error:
            running.say(*error.lines)
            return f"{error.blame}: {error}"
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="transform-") as folder:
            # Nothing is written before the end: "when you stop a batch transform job before it is completed,
            # SageMaker doesn't store the job's output".
            outputs = [Path(folder) / str(number) for number in range(len(sources))]
            blames = await self._all(running, sources, outputs)
            done = [
                (source, output)
                for source, output, blame in zip(sources, outputs, blames, strict=True)
                if blame is None
            ]
            blames += [await _kept(running, source, output) for source, output in done]
        if (failed := next(filter(None, blames), None)) is not None:
            return f"{failed}: {_SEE_LOGS}"
        try:
            await _capture(running, sources)
        except TransformError as error:
            running.say(*error.lines)
            return f"{error.blame}: {_SEE_LOGS}"
        return ""

    async def _all(
        self, running: Job, sources: Sequence[Source], outputs: Sequence[Path]
    ) -> list[Blame | None]:
        """Transform as many objects at a time as the job has instances."""
        gate = asyncio.Semaphore(running.job.content["TransformResources"]["InstanceCount"])

        async def one(source: Source, output: Path) -> Blame | None:
            async with gate:
                return await self._one(running, source, output)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*pair)) for pair in zip(sources, outputs, strict=True)]
        return [task.result() for task in tasks]

    async def _one(self, running: Job, source: Source, output: Path) -> Blame | None:
        """Transform one object, and return whose fault it is that it cannot be."""
        try:
            transforming = self._transforming(running)
            with contextlib.ExitStack() as stack:
                content = await asyncio.to_thread(stack.enter_context, running.depot.opened(source))
                await transforming.transform(content, output)
        except TransformError as error:
            running.say(*(f"{source.name}: {line}" for line in error.lines))
            return error.blame
        except UNREADABLE as error:
            running.say(f"{source.name}: the object cannot be read: {error}")
            return Blame.CLIENT
        return None

    def _transforming(self, running: Job) -> Transforming:
        content, several = running.job.content, running.parameters.several
        captured = content.get("DataCaptureConfig", {})
        stamp = stamping(running.job.created) if captured.get("GenerateInferenceId") else None
        return Transforming(
            content["TransformInput"].get("SplitType", "None"),
            content["TransformOutput"].get("AssembleWith") == "Line",
            running.parameters,
            processing(content, several=several, stamp=stamp),
            Asking(running.fleet, content, self._pace).answer,
        )

    def _end(self, scope: Scope, name: str, status: str, reason: str) -> None:
        self._worlds.put(jobs.ended(self._worlds.at(scope), name, status, reason, self._pace.clock()))


def _variant(job: TransformJob) -> Variant:
    """Return the variant that the fleet of a job is started from; its log streams have the job's name."""
    resources = job.content["TransformResources"]
    own = variables(job.content)
    container: Content = _with_variables(job.container, own)
    if several := container.get("Containers"):
        container = {**job.container, "Containers": [_with_variables(each, own) for each in several]}
    return Variant(
        job.name, container, resources["InstanceType"], resources["InstanceCount"], 1.0, _START_SECONDS
    )


def _with_variables(container: Content, own: Mapping[str, str]) -> Content:
    """Return a container that sees the variables of its job, too; they come before its model's."""
    return {**container, "Environment": {**container.get("Environment", {}), **own}}


async def _kept(running: Job, source: Source, output: Path) -> Blame | None:
    """Write an output to S3, and return whose fault it is that it cannot be."""
    try:
        await asyncio.to_thread(running.depot.put, source, output)
    except TransformError as error:
        running.say(*(f"{source.name}: {line}" for line in error.lines))
        return error.blame
    return None


async def _capture(running: Job, sources: Sequence[Source]) -> None:
    content = running.job.content
    if "DataCaptureConfig" not in content:
        return
    written = [running.depot.name_of(source) for source in sources]
    read = [source.key for source in sources]
    listed = {
        "input": (f"s3://{sources[0].bucket}/", read),
        "output": (f"{content['TransformOutput']['S3OutputPath'].rstrip('/')}/", written),
    }
    files = manifests(running.job.name, running.job.created, listed)
    await asyncio.to_thread(running.depot.capture, files)
