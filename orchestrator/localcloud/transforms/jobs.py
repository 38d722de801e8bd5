"""The rules of transform jobs: what is refused, and how a job goes from one status to the next.

Texts are AWS's where a public report shows them: aws/amazon-sagemaker-examples#3109 (a name that is taken, of
a training job) and aws/sagemaker-python-sdk#5160 (``ModelDataSource``); the others have their form.
"""

from dataclasses import replace
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, invalid, unsupported
from orchestrator.localcloud.rules.deployments import container_of
from orchestrator.localcloud.rules.modeldata import MULTI_MODEL
from orchestrator.localcloud.rules.paging import Listing, page
from orchestrator.localcloud.rules.records import containers_of, find
from orchestrator.localcloud.rules.tagging import retagged, tags_of, untagged
from orchestrator.localcloud.transforms.joining import CSV, FORMS, form_of, is_processed
from orchestrator.localcloud.world import MODEL, TRANSFORM, Content, Outcome, TransformJob, World

IN_PROGRESS, STOPPING = "InProgress", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"

MAX_PAYLOAD_MB = 100
DEFAULT_PAYLOAD_MB = 6
"""Sizes of payloads: API reference, CreateTransformJob."""

_LISTING = Listing("TransformJobSummaries", "TransformJobName", "TransformJobStatus")
_UNFIT_DATA = ("AugmentedManifestFile", "Converse")
_INTERRUPTED = "InternalServerError: the local cloud was restarted while the job was in progress"


def create(world: World, request: Content, now: float) -> Outcome:
    """Record a transform job, which is in progress then.

    Raises:
        ApiError: If the name is taken, the model is missing or cannot transform, or members contradict.
    """
    name = request["TransformJobName"]
    if name in world.transforms:
        raise ApiError(
            "ResourceInUse",
            "Transform job names must be unique within an AWS account and region, and a transform job with "
            f"this name already exists ({world.scope.arn(TRANSFORM, name)})",
        )
    container = _container(world, request["ModelName"])
    _check_payload(request)
    _check_places(request)
    _check_forms(request)
    job = TransformJob(name, untagged(request), container, IN_PROGRESS, now, now)
    arn = world.scope.arn(TRANSFORM, name)
    return Outcome(_with(retagged(world, arn, tags_of(request)), job), {"TransformJobArn": arn})


def describe(world: World, request: Content) -> Content:
    """Return a job as it was asked for, and how it is."""
    job = _job(world, request)
    times = {"CreationTime": job.created, "TransformStartTime": job.started, "TransformEndTime": job.ended}
    shown: dict[str, Any] = {
        **job.content,
        "TransformJobArn": world.scope.arn(TRANSFORM, job.name),
        "TransformJobStatus": job.status,
        **{name: at for name, at in times.items() if at is not None},
    }
    return {**shown, "FailureReason": job.reason} if job.reason else shown


def list_jobs(world: World, request: Content) -> Content:
    """Return one page of the jobs."""
    lines = [_line(world, job) for job in world.transforms.values()]
    return page(_LISTING, lines, request)


def stop(world: World, request: Content, now: float) -> Outcome:
    """Let a job be stopping.

    Raises:
        ApiError: If there is none of that name, or it has ended.
    """
    job = _job(world, request)
    if job.status not in {IN_PROGRESS, STOPPING}:
        raise invalid(f"The request was rejected because the transform job is in status {job.status}.")
    return Outcome(_with(world, replace(job, status=STOPPING, modified=now)))


def started(world: World, name: str, now: float) -> World:
    """Return the world once the job runs on its instances."""
    return _with(world, replace(world.transforms[name], started=now, modified=now))


def ended(world: World, name: str, status: str, reason: str, now: float) -> World:
    """Return the world once the job is over."""
    job = replace(world.transforms[name], status=status, reason=reason, modified=now, ended=now)
    return _with(world, job)


def interrupted(world: World, now: float) -> World:
    """Return the world with every job ended that was under way when the local cloud was."""
    for job in world.transforms.values():
        if job.status == IN_PROGRESS:
            world = ended(world, job.name, FAILED, _INTERRUPTED, now)
        elif job.status == STOPPING:
            world = ended(world, job.name, STOPPED, "", now)
    return world


def _with(world: World, job: TransformJob) -> World:
    return replace(world, transforms={**world.transforms, job.name: job})


def _job(world: World, request: Content) -> TransformJob:
    name = request["TransformJobName"]
    if name not in world.transforms:
        raise invalid(f"Could not find requested job with name: {name}")
    return world.transforms[name]


def _line(world: World, job: TransformJob) -> dict[str, Any]:
    line = {
        "TransformJobName": job.name,
        "TransformJobArn": world.scope.arn(TRANSFORM, job.name),
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TransformJobStatus": job.status,
    }
    more: Content = {"TransformEndTime": job.ended, "FailureReason": job.reason}
    return {**line, **{name: value for name, value in more.items() if value}}


def _container(world: World, model: str) -> Content:
    """Return what a model is served from.

    Raises:
        ApiError: If it does not transform.
    """
    content = find(world, MODEL, model).content
    if content.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        raise unsupported(f"transform jobs of containers that requests choose (model '{model}')")
    for container in containers_of(world, content):
        if container.get("Mode") == MULTI_MODEL:
            # Developer guide, multi-model-endpoints: they are for endpoints.
            raise invalid(f'Multi-model containers are not supported for transform jobs (model "{model}").')
        if "ModelDataSource" in container:
            raise invalid(
                "SageMaker Batch currently doesn't support Model entity with container definitions which use "
                "ModelDataSource attribute"
            )
    return container_of(world, model)


def _check_payload(request: Content) -> None:
    size_mb, at_once = request.get("MaxPayloadInMB"), request.get("MaxConcurrentTransforms") or 1
    if size_mb == 0:
        raise unsupported("MaxPayloadInMB 0: payloads in HTTP chunks")
    if size_mb is not None and size_mb > MAX_PAYLOAD_MB:
        raise invalid(f"MaxPayloadInMB must be less than or equal to {MAX_PAYLOAD_MB}.")
    if at_once * (size_mb or DEFAULT_PAYLOAD_MB) > MAX_PAYLOAD_MB:
        raise invalid(
            "The value of MaxConcurrentTransforms * MaxPayloadInMB must be less than or equal to "
            f"{MAX_PAYLOAD_MB} MB."
        )


def _check_places(request: Content) -> None:
    source = request["TransformInput"]["DataSource"].get("S3DataSource")
    if source is None:
        raise invalid("TransformInput must have an S3DataSource.")
    if source["S3DataType"] in _UNFIT_DATA:
        raise invalid(f"S3DataType {source['S3DataType']} is not supported for transform jobs.")
    for uri in (source["S3Uri"], request["TransformOutput"]["S3OutputPath"]):
        if not uri.startswith("s3://"):
            raise unsupported(f"addresses of objects that are no s3:// ({uri})")


def _check_forms(request: Content) -> None:
    """Check what the developer guide says of DataProcessing: a format that is known, the same both ways."""
    if not is_processed(request):
        return
    sent = form_of(request["TransformInput"].get("ContentType", ""))
    if sent not in FORMS:
        raise invalid(f"ContentType must be one of {', '.join(FORMS)} when DataProcessing is specified.")
    wanted = form_of(request["TransformOutput"].get("Accept", sent))
    if wanted not in FORMS or (wanted == CSV) != (sent == CSV):
        raise invalid("Accept must be of the same format as ContentType when DataProcessing is specified.")
