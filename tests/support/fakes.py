"""The ports in memory. The contract tests hold them to what the real adapters do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.adapters.journal import S3Journal
from orchestrator.core import heads, journal, names
from orchestrator.core.errors import CloudError, NotFoundError
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import Line, Pending, Position
from orchestrator.core.ports import Watch
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Rollout
from orchestrator.core.scaling import Scaling
from orchestrator.core.shapes import Violation
from orchestrator.core.steps import Step
from orchestrator.usecases.edge import Edge, Patience
from tests.support.fake_account import FakeAccount, FakeAlarms, FakeAutoscaling
from tests.support.fake_sagemaker import FakeCloud
from tests.support.locks import FakeProcesses, FakeSlot


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    moment: float = 1_000_000.0

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


class FakeLimits:
    """Takes everything."""

    def violations(
        self, revision: Revision, rollout: Rollout, scalings: Sequence[Scaling]
    ) -> tuple[Violation, ...]:
        return ()


@dataclass
class FakeStore:
    """A bucket, and how many bytes were uploaded to each key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    where: str = ""

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

    def region(self) -> str:
        return self.where


class FakeJournal(S3Journal):
    """The real journal, in a bucket of its own and on a slot in memory.

    Attributes:
        endpoint: Whose it is.
        store: Where its entries lie.
        slot: Where its head lies.
    """

    def __init__(self, endpoint: str, store: FakeStore | None = None, slot: FakeSlot | None = None) -> None:
        self.endpoint = endpoint
        self.store = store or FakeStore()
        self.slot = slot or FakeSlot(FakeClock())
        super().__init__(self.store, self.slot, endpoint, at_once=1)

    @classmethod
    def holding(cls, endpoint: str, entries: Sequence[bytes], head: journal.Head | None) -> "FakeJournal":
        """Return a journal in which this lies, whether it is whole or not."""
        made = cls(endpoint)
        for number, content in enumerate(entries, start=1):
            made.store.put_once(names.journal_key(endpoint, number), content)
        if head is not None:
            made.slot.put(heads.encode_head(endpoint, head))
        return made

    @property
    def shared(self) -> list[bytes]:
        """What lies in the bucket, in the order of its numbers."""
        return [self.store.read(key) for key in self.store.keys(names.journal_prefix(self.endpoint))]

    @property
    def passed(self) -> tuple[journal.Head, ...]:
        """Every head that it has had."""
        return heads.replay(self.endpoint, self.again().entries(), self.head())

    def again(self) -> "FakeJournal":
        """Return the same journal as another process opens it."""
        return FakeJournal(self.endpoint, self.store, self.slot)

    def before_its_last_entry(self) -> "FakeJournal":
        """Return another journal, as this one was before its last entry."""
        return self.holding(self.endpoint, self.shared[:-1], self.passed[-2])


@dataclass
class FakeRuntime:
    """An endpoint whose answers are a function of the request and of the endpoint config that serves."""

    cloud: FakeCloud
    answer: Callable[[str, Request], Response]
    answers: dict[str, Response] = field(default_factory=dict)

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        serving = self.cloud.endpoint(endpoint)
        if serving is None:
            raise NotFoundError(f"invoking endpoint '{endpoint}': there is no such thing")
        return self.answer(serving.config, request)

    def invoke_stream(
        self, endpoint: str, request: Request, *, variant: str | None = None
    ) -> Iterator[bytes]:
        yield self.invoke(endpoint, request, variant=variant).body

    def invoke_async(self, endpoint: str, request: Request, input_url: str) -> Pending:
        self.answers[input_url] = self.invoke(endpoint, request)
        return Pending(endpoint, input_url)

    def collect(self, pending: Pending) -> Response | None:
        return self.answers.get(pending.output_url)


@dataclass
class FakeLogs:
    """A log with the lines it was given."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    refusal: CloudError | None = None

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        if self.refusal is not None:
            raise self.refusal
        return tuple(line for at, line in self.lines if at >= moment)

    def read(self, endpoint: str, position: Position) -> tuple[tuple[Line, ...], Position]:
        found = [
            (at, text)
            for at, text in self.lines
            if at >= position.moment and f"{at}-{text}" not in position.seen
        ]
        lines = tuple(Line(text, at, "primary/i-0", f"{at}-{text}") for at, text in found)
        moment = max([position.moment, *(line.at for line in lines)])
        return lines, Position(moment, position.seen | {line.id for line in lines})


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
    watches: list[Watch] = field(default_factory=list)

    def started(self, step: Step, number: int, total: int) -> None:
        self.steps.append(step)

    def waiting(self, watch: Watch) -> None:
        self.statuses.append(watch.status)
        self.watches.append(watch)

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
    autoscaling: FakeAutoscaling
    alarms: FakeAlarms
    account: FakeAccount
    lock: FakeSlot
    processes: FakeProcesses = field(default_factory=FakeProcesses)
    fingerprints: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"label": "7"}'
    refusal: CloudError | None = None

    def answer(self, config: str, request: Request) -> Response:
        if self.refusal is not None:
            raise self.refusal
        return Response(200, self.body, self.fingerprints.get(config))

    def edge(self) -> Edge:
        return Edge(
            cloud=self.cloud,
            inventory=self.cloud,
            limits=FakeLimits(),
            account=self.account,
            autoscaling=self.autoscaling,
            alarms=self.alarms,
            store=self.store,
            journal=self.journal,
            lock=self.lock,
            runtime=FakeRuntime(self.cloud, self.answer),
            logs=self.logs,
            images=FakeImages(),
            clock=self.clock,
            patience=Patience(5.0, 600.0),
            processes=self.processes,
        )


def fake_edge(endpoint: str = "digits") -> FakeEdge:
    """Return a fresh outside world."""
    clock = FakeClock()
    cloud = FakeCloud(clock)
    alarms = FakeAlarms(cloud)
    cloud.alarmed = alarms.firing
    return FakeEdge(
        clock=clock,
        cloud=cloud,
        store=FakeStore(),
        journal=FakeJournal(endpoint),
        logs=FakeLogs(),
        autoscaling=FakeAutoscaling(cloud),
        alarms=alarms,
        account=FakeAccount(),
        lock=FakeSlot(clock),
    )
