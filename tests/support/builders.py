"""Short ways to make values that tests need many of."""

from orchestrator.core.golden import Case, Request, to_bytes
from orchestrator.core.journal import DEPLOY, digest
from orchestrator.core.names import artifact_key, golden_key
from orchestrator.core.outcome import Expectation
from orchestrator.core.resources import Endpoint, Variant, VariantStatus
from orchestrator.core.revision import Golden, Revision, Source, make
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.plan import Prepared, Wish, prepare
from tests.support.fakes import FakeEdge

CASE = Case("seven", Request(b'{"image": []}'), {"label": "7"})
ROLE = "arn:aws:iam::123456789012:role/sagemaker"


def revision(mark: str = "a", *, endpoint: str = "digits", count: int = 1, cases: int = 1) -> Revision:
    """Return a revision whose artifact's digest is 64 times ``mark``."""
    identity = mark * 64
    source = Source(identity, f"s3://bucket/{artifact_key(endpoint, identity)}", "image:1", ROLE)
    golden = Golden(golden_key(endpoint, digest(to_bytes((CASE,)))), 1e-4) if cases else None
    fleet = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", count),))
    return make(endpoint, source, fleet, tags=(("team", "ml"),), golden=golden)


def wish(wanted: Revision, *, keep: int = 5, reason: str = "") -> Wish:
    """Return the wish to deploy ``wanted``."""
    cases = (CASE,) if wanted.golden else ()
    return Wish(wanted, DEPLOY, cases, keep, reason)


def publish(wanted: Revision, world: FakeEdge) -> None:
    """Put what ``wanted`` needs into the bucket, and let it answer with its fingerprint."""
    world.store.put_once(artifact_key(wanted.endpoint, wanted.artifact), b"archive")
    if wanted.golden:
        world.store.put_once(wanted.golden.key, to_bytes((CASE,)))
    world.fingerprints.setdefault(wanted.name, wanted.fingerprint)


def prepared(wanted: Revision, world: FakeEdge, *, keep: int = 5, reason: str = "") -> Prepared:
    """Plan ``wanted`` in ``world``, its artifact published and its fingerprint answering."""
    publish(wanted, world)
    return prepare(wish(wanted, keep=keep, reason=reason), world.edge())


def expectation(**changes: object) -> Expectation:
    """Return what an update of ``digits`` from ``digits-old`` to ``digits-new`` is to do."""
    facts: dict[str, object] = {
        "endpoint": "digits",
        "config": "digits-new",
        "fingerprint": "f" * 16,
        "previous": "digits-old",
        "modified_before": 100.0,
        **changes,
    }
    return Expectation(**facts)  # type: ignore[arg-type]  # the tests name the fields


def endpoint(config: str = "digits-new", **changes: object) -> Endpoint:
    """Return an endpoint that has arrived on ``config``."""
    facts: dict[str, object] = {
        "last_modified": 200.0,
        "variants": (VariantStatus("primary", 1, 1),),
        **changes,
    }
    return Endpoint("digits", config, **facts)  # type: ignore[arg-type]  # the tests name the fields
