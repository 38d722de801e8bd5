"""The rules that no single field of SageMaker's service model says, checked before the first call.

Ranges and patterns of single fields are the business of `orchestrator.adapters.apimodel`. Each family of
rules has a module of its own; this one puts them together, and knows those on names and sizes.
"""

import math
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

from orchestrator.core.errors import RefusedError
from orchestrator.core.fleets import quota_needed
from orchestrator.core.names import MAX_LENGTH, is_valid
from orchestrator.core.proposal import Finding, Proposal, Severity, quoted, refuse, warn
from orchestrator.core.resources import Pairs
from orchestrator.core.revision import CONTAINER_ENVIRONMENT
from orchestrator.core.rules import alarming, autoscaling, fleet, rollout
from orchestrator.core.target import Mode

_MODEL = "SageMaker service model"
_PAYLOAD = "SageMaker Developer Guide, Model Hosting FAQs"

_TAGS_OF_OURS = 2
"""Whose endpoint it is, on every resource; and on the endpoint where its journal ends."""

_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 50, 128, 256
_MAX_ENTRIES, _MAX_ENTRY_BYTES, _MAX_ENVIRONMENT_BYTES = 100, 1024, 32 * 1024
_MIB = 1024 * 1024
_MODELLED_PAYLOAD = 6 * _MIB
_PAYLOADS = {Mode.REALTIME: 25 * _MIB, Mode.SERVERLESS: 4 * _MIB, Mode.ASYNC: 1024 * _MIB}

_ORDER = tuple(Severity)


def check(proposal: Proposal) -> tuple[Finding, ...]:
    """Return every rule that the proposal breaks, refusals first; each is told once."""
    families: tuple[Callable[[Proposal], Iterator[Finding]], ...] = (
        _names,
        _environment,
        _tags,
        _regions,
        _payload,
        fleet.find,
        rollout.find,
        alarming.find,
        autoscaling.find,
        _quota,
    )
    found = dict.fromkeys(finding for family in families for finding in family(proposal))
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def refusal(found: Sequence[Finding], accepted: Collection[str] = ()) -> RefusedError | None:
    """Return the error that says why nothing is done; ``None`` if nothing stands in the way.

    Args:
        found: What `check` returned.
        accepted: The rules that somebody agreed to break, of those that ask for consent.
    """
    asked = [f for f in found if f.severity is Severity.CONSENT and f.rule not in accepted]
    refused = [f for f in found if f.severity is Severity.REFUSE]
    if not asked and not refused:
        return None
    fix = ["orchestrator config show          where each value comes from"] if refused else []
    consent = [f"orchestrator deploy --accept {rule}" for rule in dict.fromkeys(f.rule for f in asked)]
    subject = f"{len(refused) + len(asked)} rules" if len(refused) + len(asked) > 1 else "a rule"
    return RefusedError(
        f"the spec breaks {subject} of SageMaker's" if refused else "the deployment needs your consent",
        details=[*((f.rule, f.line) for f in (*refused, *asked)), ("state", "nothing has changed")],
        hint="\n".join([*fix, *consent]),
    )


def _names(proposal: Proposal) -> Iterator[Finding]:
    name = proposal.revision.endpoint
    if not is_valid(name):
        says = f"{quoted(name)} is no endpoint name: at most {MAX_LENGTH} letters, digits and inner hyphens"
        yield refuse("name-invalid", "name", says, f"{_MODEL}, EndpointName")
    for other in proposal.names:
        if other != name and other.lower() == name.lower():
            yield refuse(
                "name-case-twin",
                "name",
                f"endpoint {quoted(other)} exists; {quoted(name)} differs from it in case only, "
                "and names are unique without regard to case",
                "SageMaker API Reference, CreateEndpoint",
            )


def _environment(proposal: Proposal) -> Iterator[Finding]:
    key, source = "endpoint.environment", f"{_MODEL}, ContainerDefinition.Environment"
    entries = proposal.revision.model.environment
    if len(entries) > _MAX_ENTRIES:
        ours = sum(name in CONTAINER_ENVIRONMENT for name, _ in entries)
        says = f"{len(entries)} variables, {ours} of them the tool's own, are more than {_MAX_ENTRIES}"
        yield refuse("environment-entries", key, says, source)
    total = 0
    for name, value in entries:
        sizes = {"name": len(name.encode()), "value": len(value.encode())}
        total += sum(sizes.values())
        for part, size in sizes.items():
            if size > _MAX_ENTRY_BYTES:
                says = f"the {part} of variable {quoted(name)} has {size} bytes, more than {_MAX_ENTRY_BYTES}"
                yield refuse(f"environment-{part}", key, says, source)
    if total > _MAX_ENVIRONMENT_BYTES:
        says = f"names and values together have {total} bytes, more than {_MAX_ENVIRONMENT_BYTES}"
        yield refuse("environment-size", key, says, source)


def _tags(proposal: Proposal) -> Iterator[Finding]:
    tags = proposal.config.tags
    marked = sum(key.startswith("orchestrator:") for key, _ in tags)
    users = len(tags) - marked
    if users + _TAGS_OF_OURS > _MAX_TAGS:
        says = f"{users} tags and {_TAGS_OF_OURS} of the tool's own are more than {_MAX_TAGS}"
        yield refuse("tags-too-many", "tags", says, f"{_MODEL}, TagList")
    yield from _each_tag(tags)


def _each_tag(tags: Pairs) -> Iterator[Finding]:
    for key, value in tags:
        if not 1 <= len(key) <= _MAX_TAG_KEY or not _is_tag_text(key):
            says = f"{quoted(key)} is no tag key: 1 to {_MAX_TAG_KEY} letters, digits, spaces and _.:/=+-@"
            yield refuse("tag-key", "tags", says, f"{_MODEL}, TagKey")
        elif key.lower().startswith("aws:"):
            says = f"{quoted(key)} begins with 'aws:', which AWS keeps for itself"
            yield refuse("tag-reserved", "tags", says, "AWS General Reference, tag restrictions")
        if len(value) > _MAX_TAG_VALUE or not _is_tag_text(value):
            says = f"the value of tag {quoted(key)} is none: up to {_MAX_TAG_VALUE} of the same characters"
            yield refuse("tag-value", "tags", says, f"{_MODEL}, TagValue")


def _is_tag_text(text: str) -> bool:
    return all(mark in "_.:/=+-@" or unicodedata.category(mark)[0] in "LNZ" for mark in text)


def _regions(proposal: Proposal) -> Iterator[Finding]:
    region = proposal.region
    if region and proposal.bucket_region and proposal.bucket_region != region:
        yield refuse(
            "bucket-region",
            "bucket",
            f"the bucket is in {quoted(proposal.bucket_region)}, the endpoint in {quoted(region)}: "
            "the artifact must be in the endpoint's region",
            "SageMaker API Reference, ContainerDefinition.ModelDataUrl",
        )
    image = proposal.revision.model.image
    where = fleet.registry_region(image)
    if region and where and where != region:
        yield refuse(
            "image-region",
            "container.image",
            f"image {quoted(image)} is in {where}, the endpoint in {quoted(region)}: it cannot be pulled",
            "SageMaker API Reference, ContainerDefinition.Image",
        )


def _payload(proposal: Proposal) -> Iterator[Finding]:
    size, mode = proposal.largest_request, proposal.mode
    if size > _PAYLOADS[mode]:
        says = f"a golden request has {size} bytes; {mode} endpoints take up to {_PAYLOADS[mode]}"
        yield refuse("payload", "golden.cases", says, _PAYLOAD)
    elif size > _MODELLED_PAYLOAD and mode is not Mode.ASYNC:
        says = f"a golden request has {size} bytes; SageMaker's documents differ on whether {mode} endpoints"
        yield warn(
            "payload-doubtful",
            "golden.cases",
            f"{says} take more than {_MODELLED_PAYLOAD}",
            f"{_MODEL}, BodyBlob; {_PAYLOAD}",
        )


def _quota(proposal: Proposal) -> Iterator[Finding]:
    quotas = dict(proposal.quotas)
    for instance_type, needed in quota_needed(proposal).items():
        quota = quotas.get(instance_type, math.inf)
        if needed > quota:
            both = ", those of the fleet that serves now among them" if proposal.before else ""
            yield warn(
                "quota",
                "endpoint.instance_count",
                f"{needed} instances of {instance_type} are needed at a time{both}; the quota is {quota:g}",
                f"Service Quotas, {instance_type} for endpoint usage",
            )
