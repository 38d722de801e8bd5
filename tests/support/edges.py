"""The real adapters on a local cloud, put together as `api.wiring` does it, with a quicker clock."""

import functools
import time
from dataclasses import dataclass, field, replace

from orchestrator.adapters import apimodel, images
from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.autoscaling import ApplicationAutoscaling
from orchestrator.adapters.aws import Address, Clients, clients
from orchestrator.adapters.cloudwatch import CloudWatch
from orchestrator.adapters.journal import S3Journal
from orchestrator.adapters.logs import CloudWatchLogs
from orchestrator.adapters.processes import LocalProcesses
from orchestrator.adapters.retrying import Pacing
from orchestrator.adapters.runtime import SageMakerRuntime
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core.golden import Case, Request, to_bytes
from orchestrator.core.journal import DEPLOY, digest
from orchestrator.core.names import artifact_key, golden_key, head_key, lock_key
from orchestrator.core.ports import Clock
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Golden, Revision, Source, make
from orchestrator.core.target import EndpointSpec
from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY
from orchestrator.usecases.change import Terms
from orchestrator.usecases.edge import Edge, Patience
from orchestrator.usecases.plan import Wish
from tests.support.clouds import BUCKET, ROLE, archive

CASE = Case("echo", Request(b'{"label": "7"}'), {"label": "7"})


@dataclass
class HastyClock:
    """The system's clock for somebody in a hurry: sleeping takes a part of the time, and counts whole."""

    haste: float = 50.0
    _slept: float = field(default=0.0)

    def now(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.haste)
        self._slept += seconds * (1 - 1 / self.haste)


def made_clients(url: str, clock: Clock) -> Clients:
    """Return clients of the cloud at ``url`` that retry by ``clock``."""
    address = Address(region=REGION, endpoint_url=url, credentials=(ACCESS_KEY, SECRET_KEY))
    return clients(address, Pacing(clock))


@functools.cache
def account_of(made: Clients) -> AwsAccount:
    """Return the account behind some clients: it asks for our quotas once, as `api.wiring` has it."""
    return AwsAccount(made)


def edge_of(made: Clients, endpoint: str, clock: HastyClock, *, patience: Patience | None = None) -> Edge:
    """Return the outside world of ``endpoint``, as a process finds it."""
    store = S3Store(made, BUCKET)
    sagemaker = SageMaker(made, clock)
    return Edge(
        cloud=sagemaker,
        inventory=sagemaker,
        limits=apimodel,
        account=account_of(made),
        autoscaling=ApplicationAutoscaling(made),
        alarms=CloudWatch(made),
        store=store,
        journal=S3Journal(store, S3Slot(store.bucket, head_key(endpoint)), endpoint),
        lock=S3Slot(store.bucket, lock_key(endpoint)),
        runtime=SageMakerRuntime(made),
        logs=CloudWatchLogs(made),
        images=images,
        clock=clock,
        patience=patience or Patience(1.0, 1200.0),
        processes=LocalProcesses(),
    )


def published(mark: str, endpoint: str, edge: Edge, *, count: int = 1) -> Revision:
    """Put an archive that answers as the model ``mark`` into the bucket, and return its revision."""
    made = revision(mark, endpoint, count=count)
    content = {"code/predict.py": b"pass", "answer": f"orchestrator-model={mark * 16}".encode()}
    edge.store.put_once(artifact_key(endpoint, made.artifact), archive(content))
    if made.golden is not None:
        edge.store.put_once(made.golden.key, to_bytes((CASE,)))
    return made


def revision(mark: str, endpoint: str, *, count: int = 1) -> Revision:
    """Return the revision of ``endpoint`` that serves the model ``mark``."""
    identity = mark * 64
    golden = Golden(golden_key(endpoint, digest(to_bytes((CASE,)))), 1e-4)
    artifact = f"s3://{BUCKET}/{artifact_key(endpoint, identity)}"
    source = Source(identity, artifact, "registry/pytorch-inference:1", ROLE)
    fleet = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", count),))
    return make(endpoint, source, fleet, tags=(("team", "ml"),), golden=golden)


def wish(wanted: Revision, terms: Terms | None = None, *, keep: int = 5) -> Wish:
    """Return the wish to deploy ``wanted``."""
    made = Wish(wanted, DEPLOY, (CASE,), keep)
    return made if terms is None else replace(made, terms=terms)
