"""The ports in memory. The contract tests hold them to what the real adapters do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core import journal
from orchestrator.core.errors import CloudError, ConflictError, NotFoundError
from orchestrator.core.golden import Request, Response
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    State,
    VariantStatus,
)
from orchestrator.core.revision import ENDPOINT_TAG
from orchestrator.core.steps import Step
from orchestrator.usecases.edge import Edge, Patience


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    moment: float = 1_000_000.0

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


@dataclass
class FakeCloud:
    """A SageMaker whose changes take ``takes_seconds``, and come out as ``outcomes`` says, in order.

    An outcome is the status to end in; ``"rolled-back"`` ends in service on the old endpoint config.
    """

    clock: FakeClock
    takes_seconds: float = 30.0
    outcomes: list[str] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    configs: dict[str, EndpointConfig] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse: Callable[[str], None] = lambda _: None
    blind_after_update: bool = False
    blind: bool = False
    _ready: dict[str, tuple[float, Endpoint | None]] = field(default_factory=dict)

    def identity(self) -> str:
        return "arn:aws:sts::123456789012:assumed-role/release/ada"

    def observe(self, endpoint: str) -> State:
        return State(
            models=frozenset(m for m in self.models.values() if dict(m.tags).get(ENDPOINT_TAG) == endpoint),
            configs=frozenset(c for c in self.configs.values() if dict(c.tags).get(ENDPOINT_TAG) == endpoint),
            endpoint=self.endpoint(endpoint),
        )

    def endpoint(self, name: str) -> Endpoint | None:
        if self.blind:
            raise CloudError("AWS could not be reached")
        if name in self._ready and self.clock.now() >= self._ready[name][0]:
            _, settled = self._ready.pop(name)
            if settled is None:
                del self.endpoints[name]
            else:
                self.endpoints[name] = settled
        return self.endpoints.get(name)

    def create_model(self, model: Model) -> None:
        self._called(f"create-model {model.name}")
        self.models.setdefault(model.name, model)

    def create_endpoint_config(self, config: EndpointConfig) -> None:
        self._called(f"create-endpoint-config {config.name}")
        if missing := {variant.model for variant in config.variants} - set(self.models):
            raise NotFoundError(f"there is no model '{min(missing)}'")
        self.configs.setdefault(config.name, config)

    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None:
        self._called(f"create-endpoint {name}")
        if self.endpoint(name) is not None:
            return
        self._needs(config)
        owned = dict(tags).get(ENDPOINT_TAG) == name
        moving = Endpoint(name, config, EndpointStatus.CREATING, None, self.clock.now(), owned=owned)
        outcome = EndpointStatus(self._next_outcome())
        self._start(moving, replace(moving, status=outcome, variants=self._fleet(config)))

    def update_endpoint(self, name: str, config: str) -> None:
        self._called(f"update-endpoint {name} {config}")
        self._needs(config)
        endpoint = self.endpoint(name)
        if endpoint is None or not endpoint.status.settled or endpoint.status is EndpointStatus.FAILED:
            raise CloudError(f"updating endpoint '{name}' was refused")
        moving = replace(
            endpoint, status=EndpointStatus.UPDATING, pending=config, last_modified=self.clock.now()
        )
        outcome = self._next_outcome()
        end = replace(moving, pending=None, last_modified=self.clock.now() + self.takes_seconds)
        if outcome == "rolled-back":
            self._start(moving, replace(end, status=EndpointStatus.IN_SERVICE))
        else:
            status = EndpointStatus(outcome)
            self._start(moving, replace(end, status=status, config=config, variants=self._fleet(config)))
        self.blind = self.blind_after_update

    def delete_endpoint(self, name: str) -> None:
        self._called(f"delete-endpoint {name}")
        endpoint = self.endpoint(name)
        if endpoint is not None and endpoint.status is not EndpointStatus.DELETING:
            if not endpoint.status.settled:
                raise CloudError(f"deleting endpoint '{name}' was refused")
            self._start(replace(endpoint, status=EndpointStatus.DELETING), None)

    def delete_endpoint_config(self, name: str) -> None:
        self._called(f"delete-endpoint-config {name}")
        self.configs.pop(name, None)

    def delete_model(self, name: str) -> None:
        self._called(f"delete-model {name}")
        self.models.pop(name, None)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        self.refuse(call)

    def _needs(self, config: str) -> None:
        if config not in self.configs:
            raise NotFoundError(f"there is no endpoint config '{config}'")

    def _next_outcome(self) -> str:
        return self.outcomes.pop(0) if self.outcomes else "InService"

    def _fleet(self, config: str) -> tuple[VariantStatus, ...]:
        variants = self.configs[config].variants
        return tuple(VariantStatus(v.name, v.instance_count, v.instance_count) for v in variants)

    def _start(self, moving: Endpoint, settled: Endpoint | None) -> None:
        self.endpoints[moving.name] = moving
        self._ready[moving.name] = (self.clock.now() + self.takes_seconds, settled)


@dataclass
class FakeStore:
    """A bucket, and how many bytes were uploaded to each key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def url(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def put_once(self, key: str, content: bytes) -> bool:
        if key in self.objects:
            return False
        self.objects[key] = content
        return True

    def upload(self, key: str, stream: Callable[[], Iterator[bytes]], moved: Callable[[int], None]) -> bool:
        if key in self.objects:
            return False
        content = b"".join(stream())
        self.objects[key] = content
        self.sent[key] = len(content)
        moved(len(content))
        return True

    def copy_once(self, source: str, key: str) -> bool:
        content = self.read(source)
        if key in self.objects:
            return False
        self.objects[key] = content
        return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.objects if key.startswith(prefix)))

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFoundError(f"reading {self.url(key)}: there is no such thing")
        return self.objects[key]

    def exists(self, key: str) -> bool:
        return key in self.objects


@dataclass
class FakeJournal:
    """A journal in a list, which several may share as they share a bucket."""

    endpoint: str
    shared: list[bytes] = field(default_factory=list)
    _head: tuple[int, str] | None = None

    def entries(self) -> tuple[journal.Entry, ...]:
        decoded = journal.decode(self.endpoint, self.shared)
        self._head = (len(decoded), journal.digest(self.shared[-1]) if self.shared else journal.GENESIS)
        return decoded

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> journal.Entry:
        if self._head is None:
            self.entries()
        number, previous = self._head or (0, journal.GENESIS)
        if number != len(self.shared):
            raise ConflictError(f"somebody else is changing endpoint '{self.endpoint}'")
        entry = journal.Entry(number + 1, previous, at, by, kind, facts)
        self.shared.append(journal.encode(entry))
        self._head = (entry.number, journal.digest(self.shared[-1]))
        return entry


@dataclass
class FakeRuntime:
    """An endpoint whose answers are a function of the request and of the endpoint config that serves."""

    cloud: FakeCloud
    answer: Callable[[str, Request], Response]

    def invoke(self, endpoint: str, request: Request) -> Response:
        serving = self.cloud.endpoint(endpoint)
        if serving is None:
            raise NotFoundError(f"invoking endpoint '{endpoint}': there is no such thing")
        return self.answer(serving.config, request)


@dataclass
class FakeLogs:
    """A log with the lines it was given."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    refusal: CloudError | None = None

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        if self.refusal is not None:
            raise self.refusal
        return tuple(line for at, line in self.lines if at >= moment)


class FakeImages:
    """A registry in which every image has the name of its profile."""

    def image_uri(self, profile: str, region: str) -> str:
        return f"registry/{region}/{profile}"


class SilentTransfer:
    """Somebody who does not look."""

    def started(self, doing: str, total_bytes: int | None) -> None:
        pass

    def moved(self, count_bytes: int) -> None:
        pass

    def finished(self) -> None:
        pass


class NoBuilds:
    """A memory without anything in it."""

    def standing(self, out: str, identity: str, facts: Mapping[str, str]) -> bool:
        return False

    def remember(self, out: str, identity: str, facts: Mapping[str, str]) -> None:
        pass


@dataclass
class SilentProgress:
    """Remembers what it was told."""

    steps: list[Step] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def started(self, step: Step, number: int, total: int) -> None:
        self.steps.append(step)

    def waiting(self, endpoint: str, status: str, elapsed_seconds: float) -> None:
        self.statuses.append(status)

    def finished(self, step: Step) -> None:
        pass

    def asking(self, cases: Sequence[str]) -> None:
        self.asked.extend(cases)


@dataclass
class FakeEdge:
    """Everything at once, and each part to look at."""

    clock: FakeClock
    cloud: FakeCloud
    store: FakeStore
    journal: FakeJournal
    logs: FakeLogs
    fingerprints: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"label": "7"}'
    refusal: CloudError | None = None

    def answer(self, config: str, request: Request) -> Response:
        if self.refusal is not None:
            raise self.refusal
        return Response(200, self.body, self.fingerprints.get(config))

    def edge(self) -> Edge:
        runtime = FakeRuntime(self.cloud, self.answer)
        return Edge(
            self.cloud,
            self.store,
            self.journal,
            runtime,
            self.logs,
            FakeImages(),
            self.clock,
            Patience(5.0, 600.0),
        )


def fake_edge(endpoint: str = "digits") -> FakeEdge:
    """Return a fresh outside world."""
    clock = FakeClock()
    return FakeEdge(clock, FakeCloud(clock), FakeStore(), FakeJournal(endpoint), FakeLogs())
