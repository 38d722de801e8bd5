"""A plan in a file: what was shown, so that exactly that is carried out later, or nothing.

It holds no environment values and no secrets: names, digests and the described steps, all of which the plan
shows anyway. It proves nothing about who made it; it only cannot change without being noticed.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from orchestrator.core.errors import ConflictError, Detail, RefusedError
from orchestrator.core.names import canonical
from orchestrator.core.records import from_record, to_record
from orchestrator.core.resources import Endpoint, State

VERSION = 1
LIMIT_BYTES = 1_000_000
"""No plan is longer: the names of a hundred resources take some ten kilobytes."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it was shown.

    Attributes:
        account: 12 digits.
        artifact: The digest of the archive's manifest.
        revision: The revision's name.
        steps: As they were described.
        observed: The digest of the state that it was made from.
        terms: The digest of how to get there: rollout, alarms, judge, autoscaling, golden cases.
        made_at: ISO 8601, UTC.
        by: Who made it: an ARN.
    """

    endpoint: str
    environment: str
    account: str
    region: str
    artifact: str
    revision: str
    steps: tuple[str, ...]
    observed: str
    terms: str
    made_at: str
    by: str
    version: int = VERSION


def encode(plan: SavedPlan) -> bytes:
    """Return the file's content: JSON for people to read, with a digest of the rest."""
    record = to_record(plan)
    return _text({**record, "digest": digest(record)})


def decode(content: bytes) -> SavedPlan:
    """Return the plan that `encode` wrote.

    Raises:
        RefusedError: If a byte of it is another, or it is no plan at all.
    """
    if len(content) > LIMIT_BYTES:
        raise _refused(f"it has {len(content)} bytes, and no plan has more than {LIMIT_BYTES}")
    try:
        record = json.loads(content)
        said = record.pop("digest")
        plan = from_record(SavedPlan, record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused("it is no plan that this program has saved") from error
    if plan.version != VERSION:
        raise _refused(f"it is of version {plan.version}, and this program reads version {VERSION}")
    if said != digest(record) or encode(plan) != content:
        raise _refused("it was changed after it was saved")
    return plan


def digest(content: object) -> str:
    """Return the SHA-256 of JSON-serialisable content, in hexadecimal."""
    return hashlib.sha256(canonical(content)).hexdigest()


def observed_digest(state: State) -> str:
    """Return the digest of what a plan was made from.

    What changes by itself is left out: times, what an autoscaler has scaled to, what SageMaker says.
    """
    endpoint = state.endpoint
    return digest(to_record(replace(state, endpoint=None if endpoint is None else _steady(endpoint))))


def _steady(endpoint: Endpoint) -> Endpoint:
    variants = tuple(
        replace(variant, current_count=0, desired_count=0, current_weight=variant.desired_weight)
        for variant in endpoint.variants
    )
    return replace(endpoint, last_modified=0.0, failure_reason="", stages=(), variants=variants)


def check(saved: SavedPlan, now: SavedPlan) -> None:
    """Compare a saved plan with the one that would be made now.

    Raises:
        ConflictError: If they differ in anything but when and by whom they were made.
    """
    differences = tuple(_differences(saved, now))
    if differences:
        raise ConflictError(
            f"the saved plan for endpoint '{saved.endpoint}' is not what would be done now",
            details=[*differences, ("state", "nothing has changed")],
            hint="orchestrator plan --out FILE          saves a new one",
        )


def _differences(saved: SavedPlan, now: SavedPlan) -> Iterator[Detail]:
    for label in ("endpoint", "environment", "account", "region", "artifact", "revision"):
        before, after = getattr(saved, label), getattr(now, label)
        if before != after:
            yield label, f"'{before}' when it was saved, '{after}' now"
    if saved.steps != now.steps:
        yield from (("not any more", step) for step in saved.steps if step not in now.steps)
        yield from (("new", step) for step in now.steps if step not in saved.steps)
        if set(saved.steps) == set(now.steps):
            yield "steps", "the same, in another order"
    if saved.terms != now.terms:
        yield "terms", "rollout, alarms, judge, autoscaling or golden cases are others"
    if saved.observed != now.observed:
        yield "world", f"the endpoint or its resources have changed since {saved.made_at}"


def _text(record: object) -> bytes:
    return f"{json.dumps(record, indent=2, sort_keys=True, ensure_ascii=True)}\n".encode()


def _refused(why: str) -> RefusedError:
    return RefusedError(
        f"the saved plan cannot be used: {why}",
        details=[("state", "nothing has changed")],
        hint="orchestrator plan --out FILE          saves a new one",
    )
